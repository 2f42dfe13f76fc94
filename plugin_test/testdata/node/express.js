'use strict';
// Serves the routes of routes.json with Express as it comes, and says in
// X-Served which one it took a request for.
const { routes } = require('./routes.js');
const app = require('express')();

for (const { name, method, path } of routes({ name: (n) => `:${n}`, text: (t) => t.replace(/:/g, '\\:'), rest: '*rest' })) {
  app[method.toLowerCase()](path, (req, res) => {
    res.set('X-Served', name);
    res.type('text').send(`${req.method} ${req.url}: path ${req.path}, params ${JSON.stringify(req.params)}`);
  });
}
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
