// A connected client, and what a test can have it do. Each command's name is a method of `Connection`.
import { Changes } from './changes.mjs';
import { CAPABILITIES, Host } from './host.mjs';
import { Network } from './network.mjs';

const RECONNECTION = {
  initialReconnectionDelay: 50,
  maxReconnectionDelay: 50,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 400,
};

const REQUESTS = {
  'tools/list': 'listTools',
  'resources/list': 'listResources',
  'resources/templates/list': 'listResourceTemplates',
  'resources/read': 'readResource',
  'prompts/list': 'listPrompts',
  'prompts/get': 'getPrompt',
  'completion/complete': 'complete',
  ping: 'ping',
};

export class Connection {
  #sdk;
  #account;
  #url;
  #client;
  #transport;
  #host = new Host();
  #network = new Network();
  #started = [];
  #subscription;

  constructor(sdk, account, client, mcpUrl) {
    this.#sdk = sdk;
    this.#account = account;
    this.#url = new URL(mcpUrl);
    this.#client = client;
    const options = { authProvider: account.provider, fetch: this.#network.fetch };
    this.#transport = new sdk.StreamableHTTPClientTransport(this.#url, {
      ...options,
      reconnectionOptions: RECONNECTION,
    });
  }

  /** Connect, with the person's help where there is no token yet; `options` are the client's own. */
  static async open(sdk, account, mcpUrl, { canBeAsked = true, ...options } = {}) {
    const capabilities = canBeAsked ? CAPABILITIES : {};
    const build = () => new Connection(sdk, account, sdk.buildClient({ capabilities, ...options }), mcpUrl);
    let connection = build();
    try {
      await connection.#connect(canBeAsked);
    } catch (error) {
      if (!(error instanceof sdk.UnauthorizedError)) throw error;
      await account.finishSignIn(connection.#transport);
      connection = build();
      await connection.#connect(canBeAsked);
    }
    return connection;
  }

  async #connect(canBeAsked) {
    this.#host.serve(this.#sdk, this.#client, canBeAsked);
    await this.#client.connect(this.#transport);
    if (!this.#sdk.isStateless && this.#transport.sessionId) await this.#network.waitForStreams(1);
  }

  describe() {
    return {
      revision: this.#sdk.findRevision(this.#client, this.#transport),
      session: this.#transport.sessionId ?? null,
      capabilities: this.#client.getServerCapabilities(),
      server: this.#client.getServerVersion(),
      instructions: this.#client.getInstructions() ?? null,
    };
  }

  // Requests

  request({ method, params }) {
    return this.#allow(() => this.#client[REQUESTS[method]](params));
  }

  async call(command) {
    return await this.finish({ handle: this.start(command) });
  }

  /** Several tool calls, all begun before any is answered. */
  async callAll({ calls }) {
    const handles = calls.map((command) => this.start(command));
    return await Promise.all(handles.map((handle) => this.finish({ handle })));
  }

  /** Begin a tool call; `finish` waits for it. */
  start({ name, args, logLevel }) {
    const abort = new AbortController();
    const progress = [];
    const changes = new Changes();
    const send = async () => {
      const call = { name, arguments: args };
      const params = logLevel ? await this.#sdk.prepareLog(this.#client, call, logLevel) : call;
      const onprogress = (step) => {
        progress.push(step);
        changes.tell();
      };
      return await this.#sdk.callTool(this.#client, params, { onprogress, signal: abort.signal });
    };
    const outcome = this.#allow(send).then(
      (result) => ({ result }),
      (error) => ({ error }),
    );
    return this.#started.push({ outcome, abort, progress, changes }) - 1;
  }

  cancel({ handle }) {
    this.#started[handle].abort.abort('no longer wanted');
  }

  async finish({ handle }) {
    const { outcome, progress } = this.#started[handle];
    const { result, error } = await outcome;
    if (error !== undefined) throw error;
    return { result, progress };
  }

  /** Once a started call has reported so many steps. */
  waitForProgress({ handle, count }) {
    const { progress, changes } = this.#started[handle];
    return changes.until(() => progress.length >= count, 'progress');
  }

  /** A client that is sent to ask for more does so, and its request is sent again. */
  async #allow(work) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof this.#sdk.UnauthorizedError)) throw error;
      await this.#account.finishSignIn(this.#transport);
      return await work();
    }
  }

  /** Ask the person for more scopes, whatever the tokens are good for. */
  async authorize({ scope }) {
    const tokens = this.#account.state.tokens;
    delete this.#account.state.tokens;
    const options = { serverUrl: this.#url, scope };
    if ((await this.#sdk.auth(this.#account.provider, options)) !== 'REDIRECT') {
      this.#account.keep('tokens', tokens);
      throw new Error('nobody was asked');
    }
    await this.#account.finishSignIn(this.#transport);
  }

  /** All skills of the server, each with the text of its files; the SDK verifies them. Package `client` alone. */
  async readSkills() {
    const { SkillsClient } = await import('@modelcontextprotocol/client/ext/skills');
    const skills = new SkillsClient(this.#client);
    const read = async (skill) => {
      const uris = skill.resources.map((resource) => resource.uri);
      const files = await Promise.all(uris.map((uri) => skills.read(skill, uri)));
      const got = await skills.get(skill.uri);
      return { ...got.skill, files };
    };
    const listing = await skills.list();
    return { supported: skills.supported, skills: await Promise.all(listing.skills.map(read)) };
  }

  // What the server asks and tells

  prepare({ method, answers }) {
    this.#host.prepare(method, answers);
  }

  asked() {
    return this.#host.asked;
  }

  waitFor({ method, count }) {
    return this.#host.waitFor(method, count);
  }

  waitForQuestions({ count }) {
    return this.#host.waitForQuestions(count);
  }

  async listen({ lists, uris }) {
    this.#subscription = await this.#sdk.listen(this.#client, lists, uris);
    return this.#subscription.honoredFilter ?? null;
  }

  async stopListening() {
    await this.#subscription.close();
  }

  /** How the server ended the stream of a subscription. */
  waitForEnd() {
    return this.#subscription.closed;
  }

  forget() {
    this.#host.forget();
    this.#network.exchanges = [];
  }

  // The network

  exchanges() {
    return this.#network.exchanges;
  }

  cut() {
    this.#network.cut();
  }

  waitForStreams({ count }) {
    return this.#network.waitForStreams(count);
  }

  terminate() {
    return this.#transport.terminateSession();
  }

  close() {
    return this.#client.close();
  }
}
