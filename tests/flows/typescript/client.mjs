// An application that uses an official TypeScript SDK, told what to do line by line on standard input.
//
//   node client.mjs PACKAGE MODE MCP_URL STATE.json
//
// PACKAGE is `sdk` (@modelcontextprotocol/sdk) or `client` (@modelcontextprotocol/client). MODE is `legacy`,
// `auto` or a revision to pin, for `client` alone. It says {"authorize": url} when a browser is wanted, and
// takes the callback's address as the answer; everything it keeps lies in STATE.json.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [, , packageName, mode, mcpUrl, stateFile] = process.argv;
const { Client, StreamableHTTPClientTransport, UnauthorizedError } =
  packageName === 'sdk' ? await loadSdk() : await import('@modelcontextprotocol/client');

async function loadSdk() {
  const [client, transport, auth] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    import('@modelcontextprotocol/sdk/client/auth.js'),
  ]);
  return { ...client, ...transport, ...auth };
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');
const hear = async () => {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
};

const state = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : {};
const keep = (name, value) => {
  state[name] = value;
  writeFileSync(stateFile, JSON.stringify(state), { mode: 0o600 });
};

const authProvider = {
  redirectUrl: 'http://127.0.0.1:3031/callback',
  clientMetadata: {
    client_name: 'TypeScript app',
    redirect_uris: ['http://127.0.0.1:3031/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  state: () => (state.state ??= randomUUID()),
  clientInformation: () => state.client,
  saveClientInformation: (client) => keep('client', client),
  tokens: () => state.tokens,
  saveTokens: (tokens) => keep('tokens', tokens),
  saveCodeVerifier: (verifier) => keep('verifier', verifier),
  codeVerifier: () => state.verifier,
  saveDiscoveryState: (found) => keep('discovery', found),
  discoveryState: () => state.discovery,
  redirectToAuthorization: (url) => say({ authorize: url.href }),
};

function build() {
  const negotiation = mode === 'legacy' || mode === 'auto' ? mode : { pin: mode };
  const client = new Client(
    { name: 'journey', version: '1.0.0' },
    packageName === 'sdk' ? {} : { versionNegotiation: { mode: negotiation } },
  );
  return [client, new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider })];
}

async function connect() {
  let [client, transport] = build();
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    const { searchParams } = new URL((await hear()).callback);
    if (searchParams.get('state') !== state.state) throw new Error('state differs');
    await transport.finishAuth(packageName === 'sdk' ? searchParams.get('code') : searchParams);
    [client, transport] = build();
    await client.connect(transport);
  }
  return [client, transport];
}

const [client, transport] = await connect();
// The newer package tells its revision itself; the older one tells it to its transport alone.
const revision = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion;
say({ connected: revision, session: transport.sessionId ?? null });

const call = (name, args, options) =>
  packageName === 'sdk'
    ? client.callTool({ name, arguments: args }, undefined, options)
    : client.callTool({ name, arguments: args }, options);

const commands = {
  list: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: async ({ tool, args }) => {
    const { structuredContent, isError } = await call(tool, args);
    return { value: structuredContent, isError: isError ?? false };
  },
  countdown: async ({ steps }) => {
    const heard = [];
    await call('countdown', { steps }, { onprogress: ({ progress, total }) => heard.push([progress, total]) });
    return heard;
  },
  parallel: async ({ count }) => {
    const numbers = Array.from({ length: count }, (_, n) => n);
    const settled = await Promise.allSettled(numbers.map((n) => call('add', { a: n, b: n })));
    return settled.map(({ reason, value }) => (reason ? String(reason) : value.content[0].text));
  },
};

for (;;) {
  const command = await hear();
  if (command.do === 'close') break;
  say({ result: await commands[command.do](command) });
}
await client.close();
process.exit(0);
