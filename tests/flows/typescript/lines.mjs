// Talk with the test, line by line: JSON on standard output, and its answers on standard input.
//
// A line is {"do": command, …}; the answer is {"result": …}, or {"refused": …} for an error. Whatever else a program says
// is a question, to be answered before anything else.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');

/** The next line; the end of the input ends the program. */
export async function hear() {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
}

/** Do what is said, until it is `exit`. */
export async function serve(run) {
  for (;;) {
    const command = await hear();
    if (command.do === 'exit') return;
    const answer = await run(command).then(
      (result) => ({ result: result ?? null }),
      (error) => ({ refused: describe(error) }),
    );
    say(answer);
  }
}

function describe(error) {
  const { message, code = null, data = null } = error;
  return { name: error.constructor.name, message: String(message ?? error), code, data };
}
