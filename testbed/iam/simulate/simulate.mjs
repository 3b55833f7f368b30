// Decides one simulation per line of standard input, and prints a line for each: its result.
//
// The package's own `runSimulation` refuses condition keys that do not belong to the action, and
// `runUnsafeSimulation` fails on policies of resources, which it gives no name. So its engine is
// called directly.
import { createInterface } from "node:readline";
import { loadPolicy } from "@cloud-copilot/iam-policy";

const SIMULATE = "./node_modules/@cloud-copilot/iam-simulate/dist/esm";
const { authorize } = await import(`${SIMULATE}/core_engine/CoreSimulatorEngine.js`);
const { AwsRequestImpl } = await import(`${SIMULATE}/request/request.js`);
const { RequestContextImpl } = await import(`${SIMULATE}/requestContext.js`);
const { DiscoveryContextKeyConstraints } = await import(
  `${SIMULATE}/context_keys/discoveryContextKeyConstraints.js`
);

const named = (name, policy) => (policy ? loadPolicy(policy, { name }) : undefined);

function decide({ principal, action, resource, account, context, identity, boundary, own }) {
  const request = new AwsRequestImpl(
    principal,
    { resource, accountId: account },
    action,
    new RequestContextImpl(context),
  );
  return authorize({
    request,
    sessionPolicy: undefined,
    identityPolicies: [named("identity", identity)],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy: named("resource", own),
    permissionBoundaries: boundary ? [named("boundary", boundary)] : undefined,
    vpcEndpointPolicies: undefined,
    simulationParameters: {
      simulationMode: "Strict",
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([]),
    },
    serviceSettings: { s3: {} },
  }).result;
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ result: decide(JSON.parse(line)) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
  }
}
