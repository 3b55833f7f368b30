// Preloaded into the Node process of jsii, see __init__.py beside this file: a service that the
// generated index of the AWS provider requires is loaded when a property of it is first read.
'use strict';

const Module = require('module');

const INDEX = /[\\/]@cdktf[\\/]provider-aws[\\/]lib[\\/]index\.js$/;
const requireNow = Module.prototype.require;

function requireOnUse(index, id) {
  let service;
  const load = () => (service ??= requireNow.call(index, id));
  return new Proxy({}, {
    get: (_target, key) => load()[key],
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
  return id.startsWith('./') && INDEX.test(this.filename ?? '')
    ? requireOnUse(this, id)
    : requireNow.call(this, id);
};
