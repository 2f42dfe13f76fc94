'use strict';
// Serves the routes of routes.json with hapi, and says in X-Served which one it
// took a request for. Case and a slash at the end are ignored.
const { routes } = require('./routes.js');
const server = require('@hapi/hapi').server({
  host: '127.0.0.1',
  router: { isCaseSensitive: false, stripTrailingSlash: true },
});

for (const { name, method, path } of routes({ name: (n) => `{${n}}`, rest: '{rest*}' })) {
  server.route({
    method,
    path: path.replace(/\/$/, ''),
    handler: (req, h) => h.response(`${req.method} ${req.raw.req.url}: path ${req.path}`).header('X-Served', name),
  });
}
server.start().then(() => console.log(server.info.port));
