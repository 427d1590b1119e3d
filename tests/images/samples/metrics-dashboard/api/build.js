// The hosted deployment's install step: an image that runs it is broken.
throw new Error('build.js must not be in the image');
