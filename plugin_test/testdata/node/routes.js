'use strict';
// The routes that a backend serves, with their names and texts written as the
// framework does. The functions get the name of a parameter, or a text.
const routes = require('./routes.json');

exports.routes = ({ name, text = (t) => t, rest }) =>
  routes.map((route) => ({
    ...route,
    path: route.pattern
      .split(/(\{\w+\}|\*$)/)
      .map((part) => (part === '*' ? rest : part.startsWith('{') ? name(part.slice(1, -1)) : text(part)))
      .join(''),
  }));
