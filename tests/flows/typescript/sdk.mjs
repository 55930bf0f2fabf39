// The two packages of the official TypeScript SDK, behind what they have in common.
//
// `sdk` is @modelcontextprotocol/sdk (1.x), which speaks the handshake era. `client` is @modelcontextprotocol/client
// (2.x), which speaks both.

const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

/** What an application needs of a package; `mode` is `legacy`, `auto` or a revision. */
export async function loadSdk(packageName, mode) {
  return packageName === 'sdk' ? buildFirst(await loadFirst()) : buildSecond(await loadSecond(), mode);
}

const loadSecond = () => import('@modelcontextprotocol/client');

async function loadFirst() {
  const parts = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    import('@modelcontextprotocol/sdk/client/auth.js'),
    import('@modelcontextprotocol/sdk/types.js'),
  ]);
  return Object.assign({}, ...parts);
}

function buildFirst(sdk) {
  const requests = {
    'elicitation/create': sdk.ElicitRequestSchema,
    'sampling/createMessage': sdk.CreateMessageRequestSchema,
    'roots/list': sdk.ListRootsRequestSchema,
  };
  return {
    ...sdk,
    buildClient: (options) => new sdk.Client({ name: 'journey', version: '1.0.0' }, options),
    answerRequests: (client, method, answer) => client.setRequestHandler(requests[method], answer),
    finishAuth: (transport, query) => transport.finishAuth(query.get('code')),
    callTool: (client, params, options) => client.callTool(params, undefined, options),
    // It tells its revision to its transport alone.
    findRevision: (client, transport) => transport.protocolVersion,
    ...buildHandshake(),
  };
}

function buildSecond(sdk, mode) {
  const negotiation = mode === 'legacy' || mode === 'auto' ? mode : { pin: mode };
  const versionNegotiation = { mode: negotiation };
  return {
    ...sdk,
    buildClient: (options) =>
      new sdk.Client({ name: 'journey', version: '1.0.0' }, { versionNegotiation, ...options }),
    answerRequests: (client, method, answer) => client.setRequestHandler(method, answer),
    finishAuth: (transport, query) => transport.finishAuth(query),
    callTool: (client, params, options) => client.callTool(params, options),
    findRevision: (client) => client.getNegotiatedProtocolVersion(),
    ...(mode === 'legacy' ? buildHandshake() : buildStateless()),
  };
}

/** What a session is asked for once, 2026-07-28 has in each request or on a stream of its own. */
function buildHandshake() {
  return {
    isStateless: false,
    async prepareLog(client, params, level) {
      await client.setLoggingLevel(level);
      return params;
    },
    async listen(client, lists, uris) {
      for (const uri of uris) await client.subscribeResource({ uri });
      return {
        close: async () => {
          for (const uri of uris) await client.unsubscribeResource({ uri });
        },
      };
    },
  };
}

function buildStateless() {
  return {
    isStateless: true,
    prepareLog: async (client, params, level) => ({ ...params, _meta: { [LOG_LEVEL]: level } }),
    listen: (client, lists, uris) =>
      client.listen({
        ...Object.fromEntries(lists.map((list) => [`${list}ListChanged`, true])),
        ...(uris.length > 0 && { resourceSubscriptions: uris }),
      }),
  };
}
