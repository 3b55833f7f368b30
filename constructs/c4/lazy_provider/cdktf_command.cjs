#!/usr/bin/env node
// The cdktf command, which `npm ci` links here instead of to cdktf-cli (package.json, postinstall).
// The same program in a third of the CPU: what it requires at its start but only needs for `convert`,
// `get` and `init`, or for a terminal, is loaded when it is first used.
'use strict';

const Module = require('module');
const v8 = require('v8');

require('./kernel_hook.cjs'); // before the next hook: it is the same library

const COMMAND = 'cdktf-cli/bundle/bin/cdktf.js';
const BUNDLE = /[\\/]cdktf-cli[\\/]bundle[\\/]/;
const ON_USE = new Set([
  '@cdktf/hcl-tools',
  '@cdktf/hcl2cdk',
  '@cdktf/hcl2json',
  '@cdktf/node-pty-prebuilt-multiarch',
  'yoga-layout-prebuilt',
]);
const ES_MODULES = /^@cdktf[\\/]hcl/;

const requireNow = Module.prototype.require;

function requireOnUse(parent, id) {
  let loaded;
  const load = () => (loaded ??= requireNow.call(parent, id));
  // The bundle copies a module's properties, of which there are none before it is loaded, to an
  // object of the same prototype: there it finds them when it uses them.
  const prototype = new Proxy({}, {
    get: (_target, key) => load()[key],
    has: (_target, key) => key in load(),
  });
  return new Proxy({}, {
    get: (_target, key) => (key === '__esModule' ? ES_MODULES.test(id) : load()[key]),
    has: (_target, key) => key in load(),
    ownKeys: () => [],
    getPrototypeOf: () => prototype,
  });
}

Module.prototype.require = function (id) {
  return ON_USE.has(id) && BUNDLE.test(this.filename ?? '')
    ? requireOnUse(this, id)
    : requireNow.call(this, id);
};

// The layout engine of the progress display is asm.js: compiling all of it ahead costs more than it
// ever gains.
v8.setFlagsFromString('--no-validate-asm');

// As the main module: it finds its version from there.
process.argv[1] = require.resolve(COMMAND);
Module.runMain();
