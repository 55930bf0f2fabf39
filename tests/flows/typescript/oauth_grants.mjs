// What a client asks the authorization server for, by oauth4webapi: each a command of oauth.mjs, given the session and the
// command's arguments.
import * as oauth from 'oauth4webapi';

// Authorization code with PKCE

/** An authorization request; the verifier and the state stay here. */
async function buildRequest(session, { scope, parameters = {} }) {
  session.verifier = oauth.generateRandomCodeVerifier();
  session.state = oauth.generateRandomState();
  return new URLSearchParams({
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
}

/** The address to send the person to. */
export async function authorize(session, request) {
  const url = new URL(session.as.authorization_endpoint);
  url.search = await buildRequest(session, request);
  return url.href;
}

/** The same by a pushed request (RFC 9126): the address has no more than its name. */
export async function push(session, request) {
  const sent = [...session.parts, await buildRequest(session, request), session.options];
  const pushed = await session.retry(async () => {
    const response = await oauth.pushedAuthorizationRequest(...sent);
    return await oauth.processPushedAuthorizationResponse(session.as, session.client, response);
  });
  const url = new URL(session.as.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: session.client.client_id, request_uri: pushed.request_uri });
  return { ...pushed, url: url.href };
}

/** Check what the browser came back with, `iss` and `state` among it, and redeem the code. */
export async function redeem(session, { callback, verifier = session.verifier }) {
  const { as, client, state } = session;
  const parameters = oauth.validateAuthResponse(as, client, new URL(callback), state);
  const redirectUri = client.redirect_uris[0];
  const request = [...session.parts, parameters, redirectUri, verifier, session.options];
  return await session.retry(async () => {
    const response = await oauth.authorizationCodeGrantRequest(...request);
    return session.take(await oauth.processAuthorizationCodeResponse(as, client, response));
  });
}

// Device codes (RFC 8628)

export async function askDevice(session, { parameters = {} }) {
  const sent = [...session.parts, { resource: session.mcpUrl.href, ...parameters }, session.options];
  const response = await oauth.deviceAuthorizationRequest(...sent);
  return await oauth.processDeviceAuthorizationResponse(session.as, session.client, response);
}

/** Ask once whether the person has decided. */
export async function poll(session, { deviceCode }) {
  return await session.retry(async () => {
    const response = await oauth.deviceCodeGrantRequest(...session.parts, deviceCode, session.options);
    return session.take(await oauth.processDeviceCodeResponse(session.as, session.client, response));
  });
}

// Refresh

export async function refresh(session, { token = session.tokens.refresh_token, parameters = {} }) {
  const options = { ...session.options, additionalParameters: parameters };
  return await session.retry(async () => {
    const response = await oauth.refreshTokenGrantRequest(...session.parts, token, options);
    return session.take(await oauth.processRefreshTokenResponse(session.as, session.client, response));
  });
}

// Without a person

export async function clientCredentials(session, { parameters = {} }) {
  return await session.retry(async () => {
    const response = await oauth.clientCredentialsGrantRequest(...session.parts, parameters, session.options);
    return session.take(await oauth.processClientCredentialsResponse(session.as, session.client, response));
  });
}

// Proving a key

export async function bind(session, { algorithm, skew }) {
  return { jkt: await session.bind(algorithm, skew) };
}

export async function unbind(session) {
  session.unbind();
}

/** How often the server has asked for a nonce. */
export async function countNonceErrors(session) {
  return session.nonceErrors ?? 0;
}

export async function jwtBearer(session, { assertion, parameters = {} }) {
  const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const request = [...session.parts, grant, { assertion, ...parameters }, session.options];
  const response = await oauth.genericTokenEndpointRequest(...request);
  return session.take(await oauth.processGenericTokenEndpointResponse(session.as, session.client, response));
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
