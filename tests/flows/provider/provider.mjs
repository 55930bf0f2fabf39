// A certified OpenID provider (npm: oidc-provider) with its own sign-in pages, on a free port of 127.0.0.1.
// Arguments: the redirect URI of its one client, and the JSON of options. It prints its issuer, and runs until it
// is told to end on standard input.
import Provider from "oidc-provider";
import { createServer } from "node:http";

const [redirectUri, options] = [process.argv[2], JSON.parse(process.argv[3] ?? "{}")];

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

// Whoever signs in is who they say: the name typed in is the subject, and says what else there is to know.
function findAccount(_, id) {
  const [user] = id.split("@");
  const claims = {
    sub: id,
    name: user[0].toUpperCase() + user.slice(1),
    email: id.includes("@") ? id : `${id}@example.com`,
    email_verified: !id.startsWith("unverified"),
    groups: id.startsWith("ada") ? ["staff", "mcp"] : ["guests"],
  };
  return { accountId: id, claims: async () => claims };
}

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "omnitornado",
      client_secret: "secret at the provider: 100% + more",
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: "client_secret_basic",
      ...options.client,
    },
  ],
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "profile", "email", "groups"],
  // The default: in the ID token there is `sub`, and the rest at UserInfo.
  conformIdTokenClaims: options.conformIdTokenClaims ?? true,
  cookies: { keys: ["a key for the tests"] },
  pkce: { required: () => true },
  findAccount,
});
server.on("request", provider.callback());
console.log(issuer);

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
