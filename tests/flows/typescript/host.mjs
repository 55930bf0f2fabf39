// The application's side of a connection: what the server asks it is answered from a queue that the test
// fills, and what the server tells it is noted.
import { Changes } from './changes.mjs';

export const CAPABILITIES = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {} },
  roots: { listChanged: true },
};

export class Host {
  asked = [];
  heard = [];
  #answers = {};
  #changes = new Changes();

  /** Answer what `client` is asked, and listen. */
  serve(sdk, client, canBeAsked) {
    for (const method of canBeAsked ? ['elicitation/create', 'sampling/createMessage', 'roots/list'] : []) {
      sdk.answerRequests(client, method, (request) => this.#answer(method, request.params ?? {}));
    }
    client.fallbackNotificationHandler = async ({ method, params }) => this.#note(method, params ?? {});
  }

  /** What the next questions are answered with. */
  prepare(method, answers) {
    this.#answers[method] = answers;
    this.#changes.tell();
  }

  /** Once so many notifications of a method have come: their parameters. */
  async waitFor(method, count) {
    const find = () => this.heard.filter((one) => one.method === method);
    await this.#changes.until(() => find().length >= count, method);
    return find().map(({ params }) => params);
  }

  /** Once so many questions have come. */
  waitForQuestions(count) {
    return this.#changes.until(() => this.asked.length >= count, 'question');
  }

  forget() {
    this.asked = [];
    this.heard = [];
    this.#answers = {};
  }

  /** A queue without an answer leaves the question open until one is prepared. */
  async #answer(method, params) {
    this.asked.push({ method, params });
    this.#changes.tell();
    await this.#changes.until(() => this.#answers[method]?.length, `answer to ${method}`);
    return this.#answers[method].shift();
  }

  #note(method, params) {
    this.heard.push({ method, params });
    this.#changes.tell();
  }
}
