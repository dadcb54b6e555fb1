// Boot a site under another version of PHP, as WebAssembly: node wasm.mjs <node_modules> <version> <script> <site> <tables>
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, version, script, folder, tables] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(createRequire(modules + '/').resolve(name)));
const { PHP } = await load('@php-wasm/universal');
const { createNodeFsMountHandler, loadNodeRuntime, useHostFilesystem } = await load('@php-wasm/node');
const php = new PHP(await loadNodeRuntime(version, { emscriptenOptions: { processId: process.pid } }));
useHostFilesystem(php);
await php.mkdir('/site');
await php.mount('/site', createNodeFsMountHandler(folder)); // WebAssembly has a /dev of its own, and sites lie in /dev/shm
const answer = await php.run({ scriptPath: script, env: { SITE_DIR: '/site', SITE_DATABASE: tables } });
process.stdout.write(answer.text);
process.stderr.write(answer.errors);
process.exit(answer.exitCode);
