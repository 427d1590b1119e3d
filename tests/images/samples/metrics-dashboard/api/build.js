// The install step of the hosted deployment, which must not run in the image.
throw new Error('build.js must not be in the image');
