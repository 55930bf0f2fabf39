// What the application keeps of its sign-in, in a file, and the person it sends to a browser.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { hear, say } from './lines.mjs';

const CALLBACK = 'http://127.0.0.1:3031/callback';

export class Account {
  constructor(sdk, stateFile) {
    this.sdk = sdk;
    this.stateFile = stateFile;
    this.state = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : {};
  }

  keep(name, value) {
    this.state[name] = value;
    writeFileSync(this.stateFile, JSON.stringify(this.state), { mode: 0o600 });
  }

  /** The SDKs' OAuthClientProvider. It says {"authorize": url} when a browser is wanted. */
  get provider() {
    const { state } = this;
    return {
      redirectUrl: CALLBACK,
      clientMetadata: {
        client_name: 'TypeScript app',
        redirect_uris: [CALLBACK],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      state: () => (state.state = randomUUID()),
      clientInformation: () => state.client,
      saveClientInformation: (client) => this.keep('client', client),
      tokens: () => state.tokens,
      saveTokens: (tokens) => this.keep('tokens', tokens),
      saveCodeVerifier: (verifier) => this.keep('verifier', verifier),
      codeVerifier: () => state.verifier,
      saveDiscoveryState: (found) => this.keep('discovery', found),
      discoveryState: () => state.discovery,
      redirectToAuthorization: (url) => say({ authorize: url.href }),
    };
  }

  /** After `redirectToAuthorization`: take the callback's address, and redeem what it brings. */
  async finishSignIn(transport) {
    const query = new URL((await hear()).callback).searchParams;
    if (query.get('state') !== this.state.state) throw new Error('state differs');
    await this.sdk.finishAuth(transport, query);
  }
}
