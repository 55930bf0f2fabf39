// Talk with the test, line by line: JSON on standard output, and its answers on standard input.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');

/** The next line; the end of the input ends the program. */
export async function hear() {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
}
