// Calls an API behind Keygate, and again when it may. For Node 20 and newer,
// with the key in the environment:
//
//	node client.mjs https://api.example.com/v1/posts
//
// and for browsers, which import call from it.

const ATTEMPTS = 5;
const LONGEST_WAIT = 60; // seconds; the next day's quota may be hours away

// call returns the answer as fetch does, if it is a success, and throws
// otherwise. init is that of fetch; its body must be one that can be sent
// twice, such as a string.
export async function call(url, key, init = {}) {
  const headers = new Headers(init.headers);
  headers.set('Authorization', `Bearer ${key}`);
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url, { ...init, headers, redirect: 'error' });
    if (answer.ok) return answer;
    const text = await answer.text();
    const code = problemCode(text);
    const seconds = secondsToWait(answer, code, attempt);
    if (seconds === undefined || seconds > LONGEST_WAIT || attempt === ATTEMPTS) {
      throw new Error(`HTTP ${answer.status}: ${text.trim()}`);
    }
    const wait = seconds * (1 + Math.random() / 2); // never earlier than told, and not all at once
    console.error(`HTTP ${answer.status} ${code}: waiting ${wait.toFixed(2)} s`);
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

function problemCode(text) {
  try {
    return JSON.parse(text).code ?? '';
  } catch {
    return ''; // not an answer of Keygate
  }
}

// secondsToWait returns undefined for requests that are not to be sent again.
function secondsToWait(answer, code, attempt) {
  if (answer.status !== 429 && code !== 'store_unavailable') return undefined;
  const told = answer.headers.get('Retry-After') ?? '';
  if (!told && ['cost_too_high', 'too_many_failures'].includes(code)) return undefined; // waiting does not help
  return /^\d+$/.test(told) ? Number(told) : 2 ** (attempt - 1);
}

if (globalThis.process?.argv[1]?.endsWith('client.mjs')) {
  try {
    const answer = await call(process.argv[2], process.env.SOCIALPATRA_API_KEY);
    process.stdout.write(await answer.text());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
