// Waiting for something to become true, without asking again and again.

const PATIENCE = 30_000;

export class Changes {
  #waiting = new Set();

  /** Something has changed. */
  tell() {
    for (const look of this.#waiting) look();
  }

  /** Once `isThere()`; an error that names `what` if it takes too long. */
  until(isThere, what) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle(value);
      };
      const look = () => isThere() && end(resolve);
      const timer = setTimeout(() => end(reject, new Error(`no ${what} in time`)), PATIENCE);
      this.#waiting.add(look);
      look();
    });
  }
}
