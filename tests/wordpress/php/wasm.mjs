// Run a PHP script under another version of PHP, as WebAssembly: node wasm.mjs <node_modules> <version> <script> NAME=value …
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, version, script, ...variables] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(createRequire(modules + '/').resolve(name)));
const { PHP } = await load('@php-wasm/universal');
const { loadNodeRuntime, useHostFilesystem } = await load('@php-wasm/node');
const php = new PHP(await loadNodeRuntime(version, { emscriptenOptions: { processId: process.pid } }));
useHostFilesystem(php);
const env = Object.fromEntries(variables.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]));
const answer = await php.run({ scriptPath: script, env });
process.stdout.write(answer.text);
process.stderr.write(answer.errors);
process.exit(answer.exitCode);
