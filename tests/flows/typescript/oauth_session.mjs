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

  /** What the token endpoint's functions begin with. */
  get parts() {
    return [this.as, this.client, this.authenticate];
  }

  take(tokens) {
    this.tokens = { ...this.tokens, ...tokens };
    return tokens;
  }
}
