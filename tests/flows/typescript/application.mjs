// An application that uses an official TypeScript SDK, told what to do line by line on standard input.
//
//   node application.mjs PACKAGE MODE MCP_URL STATE.json
//
// PACKAGE is `sdk` (1.x) or `client` (2.x). MODE is `legacy`, `auto` or a revision to pin, for `client` alone.
// Everything it keeps lies in STATE.json. A line is {"do": command, "on": connection, …}; the answer is {"result": …},
// {"refused": …} for an error, or first {"authorize": url}, to be answered with {"callback": url}.
import { Account } from './account.mjs';
import { Connection } from './connection.mjs';
import { hear, say } from './lines.mjs';
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

function describe(error) {
  const { message, code = null, data = null } = error;
  return { name: error.constructor.name, message: String(message ?? error), code, data };
}

for (;;) {
  const command = await hear();
  if (command.do === 'exit') break;
  const answer = await run(command).then(
    (result) => ({ result: result ?? null }),
    (error) => ({ refused: describe(error) }),
  );
  say(answer);
}
await Promise.all(connections.map((connection) => connection.close()));
process.exit(0);
