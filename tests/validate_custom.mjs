// Reads a JSON list of objects from standard input and prints what the validators generated from
// the real CRDs say of each: null, or a message.
import { readFileSync } from 'node:fs';

const validators = {
  'argoproj.io/v1alpha1': '@kubernetes-models/argo-cd/argoproj.io/v1alpha1',
  'external-secrets.io/v1beta1':
    '@kubernetes-models/external-secrets-v1beta1/external-secrets.io/v1beta1',
  'external-secrets.io/v1':
    '@kubernetes-models/external-secrets-v1/external-secrets.io/v1',
};

async function problem(object) {
  const models = await import(validators[object.apiVersion]);
  try {
    new models[object.kind](object).validate();
    return null;
  } catch (error) {
    return error.message;
  }
}

const objects = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(await Promise.all(objects.map(problem))));
