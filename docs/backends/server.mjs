// A backend behind Keygate, for Node 20 and newer. It believes what the gateway
// says of the caller, and shows a workspace its own posts alone.
import { createServer } from 'node:http';

// callerOf reads the identity headers. Each is there exactly once, or the
// request did not come through the gateway: then it returns undefined.
function callerOf(request) {
  const values = ['workspace', 'key-id', 'scopes'].map((name) => request.headersDistinct[`socialpatra-${name}`] ?? []);
  if (values.some((all) => all.length !== 1)) return undefined;
  const [[workspace], [keyId], [scopes]] = values;
  return { workspace, key_id: keyId, scopes: scopes.split(' ') };
}

// ownerOf says which workspace a post belongs to.
const ownerOf = new Map([['1', 'acme'], ['2', 'globex']]);

function serve(request, response) {
  const caller = callerOf(request);
  if (!caller) {
    console.error(JSON.stringify({ error: 'a request came past the gateway', from: request.socket.remoteAddress }));
    return answer(response, 403, { error: 'only the gateway may call' });
  }
  // As JSON: what a client sends must not look like another line of the log.
  const { method, url } = request;
  console.error(JSON.stringify({ method, url, workspace: caller.workspace, key_id: caller.key_id }));

  const path = url.split('?', 1)[0];
  const post = path.match(/^\/v1\/posts\/([^/]+)$/)?.[1];
  if (!['GET', 'HEAD'].includes(method)) return answer(response, 405, { error: 'GET and HEAD only' });
  if (path === '/v1/me') return answer(response, 200, caller);
  if (ownerOf.get(post) === caller.workspace) return answer(response, 200, { id: post, workspace: caller.workspace });
  answer(response, 404, { error: 'not found' }); // also for another's, as 403 would say that it exists
}

function answer(response, status, value) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`); // Node leaves the body out for HEAD
}

// Loopback: nobody but this machine, where the gateway is, reaches it.
const server = createServer(serve).listen(process.env.PORT ?? 9000, '127.0.0.1', () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
