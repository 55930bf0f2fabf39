// An application that uses an official TypeScript SDK, told what to do line by line on standard input.
//
//   node application.mjs PACKAGE MODE MCP_URL STATE.json
//
// PACKAGE is `sdk` (1.x) or `client` (2.x). MODE is `legacy`, `auto` or a revision to pin, for `client` alone.
// Everything it keeps lies in STATE.json. Lines are those of lines.mjs, with "on", the number of a connection; the question
// is {"authorize": url}, the answer to it {"callback": url}.
import { Account } from './account.mjs';
import { Connection } from './connection.mjs';
import { serve } from './lines.mjs';
import { loadSdk } from './sdk.mjs';

const [, , packageName, mode, mcpUrl, stateFile] = process.argv;
const sdk = await loadSdk(packageName, mode);
const account = new Account(sdk, stateFile);
const connections = [];

async function run({ do: command, on, ...args }) {
  if (command !== 'connect') return await connections[on][command](args);
  const connection = await Connection.open(sdk, account, mcpUrl, args.options);
  return { ...connection.describe(), connection: connections.push(connection) - 1 };
}

await serve(run);
await Promise.all(connections.map((connection) => connection.close()));
process.exit(0);
