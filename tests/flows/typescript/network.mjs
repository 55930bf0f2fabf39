// The `fetch` that a connection is given: it notes what goes over the wire, and can lose every connection.
import { Changes } from './changes.mjs';

const NOTED = /^(mcp-|last-event-id$)/;

export class Network {
  exchanges = [];
  #cut = new AbortController();
  #changes = new Changes();

  fetch = async (url, init = {}) => {
    const signals = [init.signal, this.#cut.signal].filter((signal) => signal != null);
    const response = await fetch(url, { ...init, signal: AbortSignal.any(signals) });
    this.#note(new URL(url).pathname, init, response);
    return response;
  };

  /** Lose every connection that is open, as a network would. */
  cut() {
    this.#cut.abort(new Error('the network is gone'));
    this.#cut = new AbortController();
  }

  /** Once so many streams have been opened by GET. */
  waitForStreams(count) {
    return this.#changes.until(() => this.exchanges.filter(isStream).length >= count, 'stream');
  }

  #note(path, init, response) {
    const headers = Object.fromEntries([...new Headers(init.headers)].filter(([name]) => NOTED.test(name)));
    this.exchanges.push({
      verb: init.method ?? 'GET',
      path,
      headers,
      method: findMethod(init.body),
      status: response.status,
      type: response.headers.get('content-type')?.split(';')[0] ?? '',
    });
    this.#changes.tell();
  }
}

const isStream = ({ verb, status, type }) => verb === 'GET' && status === 200 && type === 'text/event-stream';

function findMethod(body) {
  if (typeof body !== 'string' || !body.startsWith('{')) return null;
  return JSON.parse(body).method ?? null;
}
