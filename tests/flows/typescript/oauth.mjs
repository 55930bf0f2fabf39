// A generic OAuth client that knows nothing but the MCP server's address, by oauth4webapi.
//
//   node oauth.mjs MCP_URL
//
// Lines are those of lines.mjs; a refusal's code is the OAuth error's, its data has the HTTP status and the challenges.
import * as oauth from 'oauth4webapi';

import { serve } from './lines.mjs';
import * as grants from './oauth_grants.mjs';
import { Session } from './oauth_session.mjs';

const REVISION = '2026-07-28';

const mcpUrl = new URL(process.argv[2]);
let session = new Session(mcpUrl);

/** Be a client that knows nothing yet. */
async function begin() {
  session = new Session(mcpUrl);
}

/** From the address to the documents, the ways of RFC 9728 and RFC 8414; `algorithm` is `oauth2` or `oidc`. */
async function discover({ algorithm = 'oauth2' }) {
  const { options } = session;
  const found = await oauth.resourceDiscoveryRequest(mcpUrl, options);
  const resource = await oauth.processResourceDiscoveryResponse(mcpUrl, found);
  const issuer = new URL(resource.authorization_servers[0]);
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...options });
  session.as = await oauth.processDiscoveryResponse(issuer, response);
  return { resource, server: session.as };
}

/** RFC 7591; `algorithm` is what to sign with for `private_key_jwt`. */
async function register({ metadata, algorithm, initialAccessToken }) {
  const jwks = algorithm && { keys: [await session.makeKeys(algorithm)] };
  const options = { ...session.options, initialAccessToken };
  const asked = { ...metadata, ...(jwks && { jwks }) };
  const response = await oauth.dynamicClientRegistrationRequest(session.as, asked, options);
  const client = await oauth.processDynamicClientRegistrationResponse(response);
  session.use(client, client.token_endpoint_auth_method);
  return client;
}

/** Be a client that is known already. */
async function use({ client }) {
  session.use(client, client.token_endpoint_auth_method);
}

/** Keys for a client that is known already: gives the public one. */
async function makeKeys({ algorithm }) {
  return await session.makeKeys(algorithm);
}

/** A tool call of revision 2026-07-28, with the token that is held or another. */
async function call({ name, args, token = session.tokens.access_token }) {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': REVISION,
    'io.modelcontextprotocol/clientInfo': { name: 'oauth4webapi', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const params = { name, arguments: args, _meta: meta };
  const headers = new Headers({
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': REVISION,
    'mcp-method': 'tools/call',
    'mcp-name': name,
  });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'tools/call', params });
  const request = [token, 'POST', mcpUrl, headers, body, session.options];
  return await session.retry(async () => (await (await oauth.protectedResourceRequest(...request)).json()).result);
}

const COMMANDS = { begin, discover, register, use, makeKeys, call };

await serve(async ({ do: name, ...args }) => {
  try {
    return await (name in grants ? grants[name](session, args) : COMMANDS[name](args));
  } catch (error) {
    const challenges = Array.isArray(error.cause) ? error.cause : [];
    error.code = error.error ?? error.code;
    error.data = { status: error.status ?? null, challenges };
    throw error;
  }
});
