// One client of one server, by oauth4webapi: what it has found out, what it is registered as, the tokens it holds.
import * as oauth from 'oauth4webapi';

export class Session {
  as;
  client;
  authenticate;
  keys;
  tokens;

  constructor(mcpUrl) {
    this.mcpUrl = mcpUrl;
    /** What every request is given; the server of a test has no certificate. */
    this.options = { [oauth.allowInsecureRequests]: true };
  }

  /** How `client` proves itself; `private_key_jwt` signs with the session's keys. */
  use(client, method) {
    this.client = client;
    this.authenticate = {
      none: () => oauth.None(),
      client_secret_basic: () => oauth.ClientSecretBasic(client.client_secret),
      client_secret_post: () => oauth.ClientSecretPost(client.client_secret),
      private_key_jwt: () => oauth.PrivateKeyJwt(this.keys.privateKey),
    }[method]();
  }

  /** Make a key pair; gives the public one. */
  async makeKeys(algorithm) {
    this.keys = await oauth.generateKeyPair(algorithm, { extractable: true });
    const { key_ops, ext, ...jwk } = await crypto.subtle.exportKey('jwk', this.keys.publicKey);
    return jwk;
  }

  /** Prove a key with each request from here on; `skew` is how wrong the clock is. Gives the key's thumbprint. */
  async bind(algorithm, skew = 0) {
    const keys = await oauth.generateKeyPair(algorithm, { extractable: true });
    const handle = oauth.DPoP({ ...this.client, [oauth.clockSkew]: skew }, keys);
    this.options = { ...this.options, DPoP: handle };
    return await handle.calculateThumbprint();
  }

  /** Prove none any more. */
  unbind() {
    const { DPoP, ...options } = this.options;
    this.options = options;
  }

  /** Make a request, and once more where the server has told a nonce to prove it with. */
  async retry(request) {
    try {
      return await request();
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      this.nonceErrors = (this.nonceErrors ?? 0) + 1;
      return await request();
    }
  }

  /** What the token endpoint's functions begin with. */
  get parts() {
    return [this.as, this.client, this.authenticate];
  }

  take(tokens) {
    this.tokens = { ...this.tokens, ...tokens };
    return tokens;
  }
}
