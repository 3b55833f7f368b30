// Preloaded into the Node process of jsii, see __init__.py beside this file: what most programs never
// use is loaded when a property of it is first read. That is each service that the generated index of
// the AWS provider requires (cdktf's bindings or cdktn's), and what cdktf zips assets with.
'use strict';

const Module = require('module');

// Node 22 warns of what the archived cdktf calls, and nobody will change that.
process.noDeprecation = true;

const INDEX = /[\\/]@cdkt[fn][\\/]provider-aws[\\/]lib[\\/]index\.js$/;
const ASSETS = /[\\/]cdktf[\\/]lib[\\/]private[\\/]fs\.js$/;
const requireNow = Module.prototype.require;

function requireOnUse(parent, id) {
  let loaded;
  const load = () => (loaded ??= requireNow.call(parent, id));
  return new Proxy(() => {}, {
    apply: (_target, self, args) => load().apply(self, args),
    // The fork's index asks each service whether it is an ES module. All of them are.
    get: (_target, key) => (key === '__esModule' ? true : load()[key]),
    has: (_target, key) => key in load(),
    ownKeys: () => Reflect.ownKeys(load()),
    getOwnPropertyDescriptor: (_target, key) => {
      const descriptor = Object.getOwnPropertyDescriptor(load(), key);
      // A proxy may not report a property as fixed that its (empty) target lacks.
      if (descriptor) descriptor.configurable = true;
      return descriptor;
    },
  });
}

Module.prototype.require = function (id) {
  const later = id.startsWith('./')
    ? INDEX.test(this.filename ?? '')
    : id === 'archiver' && ASSETS.test(this.filename ?? '');
  return later ? requireOnUse(this, id) : requireNow.call(this, id);
};
