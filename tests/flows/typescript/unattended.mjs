// A program that uses an official TypeScript SDK with nobody at a browser.
//
//   node unattended.mjs PACKAGE MCP_URL
//
// PACKAGE is `sdk` (1.x) or `client` (2.x). Lines are those of lines.mjs; the one question is {"assertion": context}, the
// answer to it {"jwt": …}.
import { hear, say, serve } from './lines.mjs';
import { loadSdk } from './sdk.mjs';

const [, , packageName, mcpUrl] = process.argv;
const extensions = packageName === 'sdk' ? await import('@modelcontextprotocol/sdk/client/auth-extensions.js') : {};
const sdk = { ...(await loadSdk(packageName, 'auto')), ...extensions };

/** The identity provider, which is the test. */
async function assertion({ authorizationServerUrl, resourceUrl, scope }) {
  say({ assertion: { audience: String(authorizationServerUrl), resource: String(resourceUrl), scope } });
  return (await hear()).jwt;
}

const PROVIDERS = {
  secret: (options) => new sdk.ClientCredentialsProvider(options),
  key: (options) => new sdk.PrivateKeyJwtProvider(options),
  enterprise: (options) => new sdk.CrossAppAccessProvider({ ...options, assertion }),
};

/** Connect by one of the SDK's providers, call a tool, and leave. */
async function call({ provider, options, name, args }) {
  const authProvider = PROVIDERS[provider](options);
  const transport = new sdk.StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider });
  const client = sdk.buildClient({});
  try {
    await client.connect(transport);
    const result = await sdk.callTool(client, { name, arguments: args });
    return { result, tokens: await authProvider.tokens() };
  } finally {
    await client.close();
  }
}

await serve(({ do: _, ...args }) => call(args));
process.exit(0);
