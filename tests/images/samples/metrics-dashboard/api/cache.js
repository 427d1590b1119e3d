// Shared by the handlers: the last response by key, in a file in /tmp like the real ones.
const { mkdirSync, writeFileSync } = require('node:fs');

module.exports = {
  setCache(key, value) {
    mkdirSync('/tmp/cache', { recursive: true });
    writeFileSync(`/tmp/cache/${key}.json`, JSON.stringify(value));
  },
};
