// What a client asks the authorization server for, by oauth4webapi: each a command of oauth.mjs, given the session and the
// command's arguments.
import * as oauth from 'oauth4webapi';

// Authorization code with PKCE

/** The address to send the person to; the verifier and the state stay here. */
export async function authorize(session, { scope, parameters = {} }) {
  session.verifier = oauth.generateRandomCodeVerifier();
  session.state = oauth.generateRandomState();
  const url = new URL(session.as.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: session.client.client_id,
    redirect_uri: session.client.redirect_uris[0],
    code_challenge: await oauth.calculatePKCECodeChallenge(session.verifier),
    code_challenge_method: 'S256',
    state: session.state,
    resource: session.mcpUrl.href,
    ...(scope && { scope }),
    ...parameters,
  });
  return url.href;
}

/** Check what the browser came back with, `iss` and `state` among it, and redeem the code. */
export async function redeem(session, { callback, verifier = session.verifier }) {
  const { as, client, state } = session;
  const parameters = oauth.validateAuthResponse(as, client, new URL(callback), state);
  const redirectUri = client.redirect_uris[0];
  const request = [...session.parts, parameters, redirectUri, verifier, session.options];
  const response = await oauth.authorizationCodeGrantRequest(...request);
  return session.take(await oauth.processAuthorizationCodeResponse(as, client, response));
}

// Refresh

export async function refresh(session, { token = session.tokens.refresh_token, parameters = {} }) {
  const options = { ...session.options, additionalParameters: parameters };
  const response = await oauth.refreshTokenGrantRequest(...session.parts, token, options);
  return session.take(await oauth.processRefreshTokenResponse(session.as, session.client, response));
}

// Without a person

export async function clientCredentials(session, { parameters = {} }) {
  const response = await oauth.clientCredentialsGrantRequest(...session.parts, parameters, session.options);
  return session.take(await oauth.processClientCredentialsResponse(session.as, session.client, response));
}

// What becomes of tokens

export async function revoke(session, { token, hint }) {
  const options = { ...session.options, ...(hint && { additionalParameters: { token_type_hint: hint } }) };
  await oauth.processRevocationResponse(await oauth.revocationRequest(...session.parts, token, options));
}

export async function introspect(session, { token }) {
  const response = await oauth.introspectionRequest(...session.parts, token, session.options);
  return await oauth.processIntrospectionResponse(session.as, session.client, response);
}
