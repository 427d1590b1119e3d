// Reads the kinds of custom resources by group, as JSON, and prints their JSON schemas by apiVersion
// and kind. The validators that were generated from the CRDs are compiled, so the schemas are
// learned from what they say of values.
import { readFileSync } from 'node:fs';

const FOLDER = new URL('../node_modules/@kubernetes-models/', import.meta.url);
const SECRETS = 'external-secrets-v1/_schemas/ComGithubExternalSecretsExternalSecretsApisExternalsecrets';
const GENERATED = {
  'argoproj.io/v1alpha1': 'argo-cd/_schemas/ComGithubArgoprojArgoCdV3PkgApisApplicationV1alpha1',
  'external-secrets.io/v1beta1': `${SECRETS}V1beta1`,
  'external-secrets.io/v1': `${SECRETS}V1`,
};
const SAMPLES = { boolean: true, integer: 1, number: 1.5, string: '\0', array: [], object: {} };
const EXTREMES = ['\0', '', '\0'.repeat(1e4), {}, { a: 1, b: 2, c: 3, d: 4 }];
const STATED = {
  enum: 'allowedValues', pattern: 'pattern', minLength: 'limit', maxLength: 'limit',
  minProperties: 'limit', maxProperties: 'limit',
};

// `errors` returns what the validator says of a value, at the value or at a path below it.
function learn(errors) {
  const type = Object.keys(SAMPLES).filter(
    name => !errors(SAMPLES[name]).some(error => error.keyword === 'type'),
  );
  if (type.includes('boolean') && type.includes('object')) return {};
  const schema = { type: type.length > 1 ? type : type[0] };
  for (const { keyword, params } of EXTREMES.flatMap(value => errors(value))) {
    if (keyword in STATED) schema[keyword] = params[STATED[keyword]];
  }
  if (type.includes('array')) schema.items = learn(below(errors, value => [value], '/0'));
  return type.includes('object') ? { ...schema, ...fields(errors) } : schema;
}

function below(errors, wrap, step) {
  return (value, path = '') => errors(wrap(value), step + path);
}

function fields(errors) {
  const names = new Set();
  let listed = false;
  errors(new Proxy({}, {
    get: (_, name) => { names.add(name); },
    ownKeys: () => { listed = true; return []; },
  }));
  const of = name => learn(below(errors, value => ({ [name]: value }), `/${name}`));
  if (!names.size) return listed ? { additionalProperties: of('any') } : {};
  const required = errors({}).map(error => error.params.missingProperty).filter(Boolean);
  const known = Object.fromEntries([...names].map(name => [name, of(name)]));
  return {
    properties: { description: { type: 'string' }, ...known }, // which the validators do not check
    additionalProperties: false,
    ...(required.length && { required }),
  };
}

const kinds = JSON.parse(readFileSync(0, 'utf8'));
const schemas = {};
for (const [version, start] of Object.entries(GENERATED)) {
  for (const kind of kinds[version.split('/')[0]]) {
    const { validate } = await import(new URL(`${start}${kind}.js`, FOLDER));
    schemas[`${version}/${kind}`] = learn((value, path = '') => {
      validate(value);
      return (validate.errors ?? []).filter(error => error.instancePath === path);
    });
  }
}
process.stdout.write(JSON.stringify(schemas));
