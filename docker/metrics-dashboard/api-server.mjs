// Runs the handlers in api/*.js of the dashboard's repository like their original hosting platform:
// `export default (req, res)` or `module.exports = (req, res)`, with req.query, req.body, res.status(),
// res.json() and res.send() added to Node's request and response.
//
// Every file that exports a function serves /api/<file name>; the others are shared code. The rewrites
// of /api come from the repository's vercel.json.

import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = process.env.DASHBOARD_ROOT ?? '/srv';
const PORT = Number(process.env.PORT ?? 3000);
const MAX_BODY_BYTES = 1024 * 1024;
// nginx keeps idle connections to this server for 60 s; closing them earlier could lose a request.
const KEEP_ALIVE_MS = 75_000;

/** The handlers by path: '/api/metrics' -> function. */
async function loadHandlers(folder) {
  const handlers = new Map();
  for (const file of readdirSync(folder).filter((name) => /^[\w-]+\.js$/.test(name))) {
    const { default: exported } = await import(pathToFileURL(join(folder, file)).href);
    if (typeof exported === 'function') handlers.set(`/api/${basename(file, '.js')}`, exported);
  }
  if (handlers.size === 0) throw new Error(`${folder}: no file exports a handler`);
  return handlers;
}

/** The rewrites of /api in vercel.json: a pattern with named groups, and a destination. */
function loadRewrites(file) {
  const { rewrites = [] } = JSON.parse(readFileSync(file, 'utf8'));
  return rewrites
    .filter(({ source }) => source.startsWith('/api/'))
    .map(({ source, destination }) => {
      if (!/^[\w/:.-]+$/.test(source)) {
        throw new Error(`${file}: rewrite ${source}: only plain segments and :name are supported`);
      }
      const pattern = source.replaceAll('.', '\\.').replaceAll(/:(\w+)/g, '(?<$1>[^/]+)');
      return { pattern: new RegExp(`^${pattern}$`), destination };
    });
}

/** The URL of a request after the first matching rewrite, with the original query. */
function rewritten(url, rewrites) {
  for (const { pattern, destination } of rewrites) {
    const match = pattern.exec(url.pathname);
    if (!match) continue;
    const target = new URL(destination.replaceAll(/:(\w+)/g, (_, name) => match.groups[name]), url);
    for (const [name, value] of url.searchParams) target.searchParams.append(name, value);
    return target;
  }
  return url;
}

/** Query parameters for the handlers: a string, or a list if a name is repeated. */
function queryOf(searchParams) {
  const names = [...new Set(searchParams.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = searchParams.getAll(name);
      return [name, values.length > 1 ? values : values[0]];
    }),
  );
}

async function bodyOf(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw Object.assign(new Error('request body too large'), { status: 413 });
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  const text = Buffer.concat(chunks).toString('utf8');
  const type = (req.headers['content-type'] ?? '').split(';')[0].trim();
  if (type === 'application/x-www-form-urlencoded') return queryOf(new URLSearchParams(text));
  if (type !== 'application/json') return text;
  try {
    return JSON.parse(text);
  } catch {
    throw Object.assign(new Error('request body is not JSON'), { status: 400 });
  }
}

function extend(res) {
  res.status = (code) => {
    res.statusCode = code;
    return res;
  };
  res.json = (value) => {
    if (!res.hasHeader('content-type')) res.setHeader('content-type', 'application/json; charset=utf-8');
    res.end(JSON.stringify(value));
    return res;
  };
  res.send = (value) => {
    if (value !== null && typeof value === 'object' && !Buffer.isBuffer(value)) return res.json(value);
    res.end(typeof value === 'number' || typeof value === 'boolean' ? String(value) : value);
    return res;
  };
  return res;
}

async function answer(req, res, handlers, rewrites) {
  const requested = new URL(req.url, 'http://localhost');
  if (requested.pathname === '/healthz') return res.send('ok\n');
  const url = rewritten(requested, rewrites);
  const handler = handlers.get(url.pathname);
  if (!handler) return res.status(404).json({ error: 'NotFound', message: `no handler for ${requested.pathname}` });
  req.query = queryOf(url.searchParams);
  req.body = await bodyOf(req);
  return handler(req, res);
}

const handlers = await loadHandlers(join(ROOT, 'api'));
const rewrites = loadRewrites(join(ROOT, 'vercel.json'));

const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: KEEP_ALIVE_MS + 5000 }, async (req, res) => {
  try {
    await answer(req, extend(res), handlers, rewrites);
  } catch (error) {
    if (!error.status) console.error(`${req.method} ${req.url}:`, error);
    if (res.headersSent) res.destroy();
    else res.status(error.status ?? 500).json({ error: 'ServerError', message: error.status ? error.message : 'internal error' });
  }
});

for (const signal of ['SIGTERM', 'SIGQUIT', 'SIGINT']) {
  process.once(signal, () => {
    // Accepts no new requests and completes open ones.
    server.close(() => process.exit(0));
  });
}

server.listen(PORT, '127.0.0.1', () => {
  console.log(`metrics-dashboard api: ${[...handlers.keys()].join(', ')} on 127.0.0.1:${PORT}`);
});
