'use strict';
// Serves the routes of routes.json with Fastify, and says in X-Served which one
// it took a request for. Paths end at a semicolon; case, slashes at the end and
// slashes that are doubled are ignored.
const { routes } = require('./routes.js');
const app = require('fastify')({
  forceCloseConnections: true,
  routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, useSemicolonDelimiter: true },
});

for (const { name, method, path } of routes({ name: (n) => `:${n}`, text: (t) => t.replace(/:/g, '::'), rest: '*' })) {
  app.route({
    method,
    // Names end at a slash, unless an expression says at what else.
    url: path.replace(/:\w+(?=::)/g, '$&(^[^:]+)'),
    handler: (req, reply) => reply.header('X-Served', name).send(`${req.method} ${req.raw.url}: params ${JSON.stringify(req.params)}`),
  });
}
app.listen({ host: '127.0.0.1', port: 0 }).then(() => console.log(app.server.address().port));
