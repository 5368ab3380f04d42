// @kubernetes/client-node against the cluster of $KUBECONFIG: typed and dynamic clients, watches, informers.
//
//     CLIENTS=build/clients node client_node.mjs            every check, then "ok"
//     CLIENTS=build/clients node client_node.mjs informer   prints what an informer sees, until killed
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(process.env.CLIENTS + '/');
const k8s = await import(require.resolve('@kubernetes/client-node'));

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const namespace = 'default';

// The Status of a refused call.
async function refused(call) {
  try {
    await call;
  } catch (error) {
    // The client keeps no body where the API describes the code, as it does 401.
    const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    return { ...status, code: error.code };
  }
  assert.fail('the call was expected to be refused');
}

async function eventually(condition, what) {
  for (let i = 0; i < 400; ++i) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`never: ${what()}`);
}

function informer(path, list) {
  const seen = [];
  const informer = k8s.makeInformer(config, path, list);
  for (const verb of ['add', 'update', 'delete']) {
    informer.on(verb, (object) => seen.push(`${verb} ${object.metadata.name}`));
  }
  return { informer, seen };
}

const configMaps = () =>
  informer(`/api/v1/namespaces/${namespace}/configmaps`, () => core.listNamespacedConfigMap({ namespace }));

async function typedObjects() {
  const body = { metadata: { name: 'typed', labels: { app: 'x' } }, data: { k: 'v' } };
  const created = await core.createNamespacedConfigMap({ namespace, body });
  assert.match(created.metadata.uid, /^[0-9a-f-]{36}$/);
  assert.ok(created.metadata.creationTimestamp instanceof Date);
  assert.equal((await refused(core.createNamespacedConfigMap({ namespace, body }))).reason, 'AlreadyExists');
  created.data.k = 'w';
  const replaced = await core.replaceNamespacedConfigMap({ name: 'typed', namespace, body: created });
  assert.equal(replaced.data.k, 'w');
  const conflict = await refused(core.replaceNamespacedConfigMap({ name: 'typed', namespace, body: created }));
  assert.deepEqual([conflict.code, conflict.reason], [409, 'Conflict']);
  const patched = await core.patchNamespacedConfigMap(
    { name: 'typed', namespace, body: [{ op: 'add', path: '/data/j', value: 'json' }] },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch),
  );
  assert.deepEqual(patched.data, { j: 'json', k: 'w' });
  const merged = await core.patchNamespacedConfigMap(
    { name: 'typed', namespace, body: { data: { j: null } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
  );
  assert.deepEqual(merged.data, { k: 'w' });
  const applied = await core.patchNamespacedConfigMap(
    {
      name: 'typed', namespace, fieldManager: 'me', force: true,
      body: { apiVersion: 'v1', kind: 'ConfigMap', data: { k: 'applied' } },
    },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.ServerSideApply),
  );
  assert.equal(applied.metadata.managedFields.find((entry) => entry.manager === 'me').operation, 'Apply');
  assert.equal((await core.deleteNamespacedConfigMap({ name: 'typed', namespace })).status, 'Success');
  const missing = await refused(core.readNamespacedConfigMap({ name: 'typed', namespace }));
  assert.deepEqual([missing.code, missing.message], [404, 'configmaps "typed" not found']);
  const invalid = await refused(core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'No_Way' } } }));
  assert.equal(invalid.reason, 'Invalid');
  assert.equal(invalid.details.causes[0].field, 'metadata.name');
}

async function lists() {
  for (let i = 0; i < 7; ++i) {
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: `page-${i}`, labels: { page: 'y' } } } });
  }
  const names = [];
  let _continue;
  let versions = new Set();
  do {
    const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'page=y', limit: 3, _continue });
    names.push(...page.items.map((item) => item.metadata.name));
    versions.add(page.metadata.resourceVersion);
    _continue = page.metadata._continue;
    if (names.length === 3) assert.equal(page.metadata.remainingItemCount, undefined);  // unknown with a selector
  } while (_continue);
  assert.deepEqual(names, [...Array(7).keys()].map((i) => `page-${i}`));
  assert.equal(versions.size, 1);
  const wrong = await refused(core.listNamespacedConfigMap({ namespace, _continue: 'nonsense', limit: 1 }));
  assert.deepEqual([wrong.code, wrong.reason], [400, 'BadRequest']);
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'page=y' });
  assert.equal((await core.listNamespacedConfigMap({ namespace, labelSelector: 'page=y' })).items.length, 0);
}

async function watches() {
  const watch = new k8s.Watch(config);
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const start = (await core.listNamespacedConfigMap({ namespace })).metadata.resourceVersion;
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'watched' } } });
  const seen = [];
  let last;
  const note = (phase, object) => {
    last = object.metadata.resourceVersion;
    seen.push(phase === 'BOOKMARK' ? phase : `${phase} ${object.metadata.name}`);
  };
  // From the past; ends by its own time limit.
  let ended;
  const done = new Promise((resolve) => (ended = resolve));
  await watch.watch(path, { resourceVersion: start, timeoutSeconds: 2, allowWatchBookmarks: true }, note, ended);
  await eventually(() => seen.includes('ADDED watched'), () => seen);
  await core.patchNamespacedConfigMap(
    { name: 'watched', namespace, body: { data: { a: 'b' } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
  );
  await done;
  assert.deepEqual(seen.filter((line) => line !== 'BOOKMARK'), ['ADDED watched', 'MODIFIED watched']);
  // Resumed where it ended: only what is new.
  await core.deleteNamespacedConfigMap({ name: 'watched', namespace });
  seen.length = 0;
  const resumed = await watch.watch(path, { resourceVersion: last }, note, () => {});
  await eventually(() => seen.length > 0, () => 'an event');
  resumed.abort();
  assert.deepEqual(seen, ['DELETED watched']);
  // The state as events, then a bookmark that says so.
  seen.length = 0;
  const initial = await watch.watch(
    path,
    { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true },
    (phase, object) => {
      note(phase, object);
      if (phase === 'BOOKMARK') assert.equal(object.metadata.annotations['k8s.io/initial-events-end'], 'true');
    },
    () => {},
  );
  await eventually(() => seen.includes('BOOKMARK'), () => seen);
  initial.abort();
  assert.deepEqual(seen, ['ADDED kube-root-ca.crt', 'BOOKMARK']);
}

async function informers() {
  const { informer, seen } = configMaps();
  await informer.start();
  assert.deepEqual(seen, ['add kube-root-ca.crt']);
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'i' } } });
  await core.patchNamespacedConfigMap(
    { name: 'i', namespace, body: { data: { a: 'b' } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch),
  );
  await core.deleteNamespacedConfigMap({ name: 'i', namespace });
  await eventually(() => seen.length === 4, () => seen);
  assert.deepEqual(seen.slice(1), ['add i', 'update i', 'delete i']);
  assert.deepEqual(informer.list(namespace).map((object) => object.metadata.name), ['kube-root-ca.crt']);
  await informer.stop();
}

async function customObjects() {
  const extensions = config.makeApiClient(k8s.ApiextensionsV1Api);
  await extensions.createCustomResourceDefinition({
    body: {
      metadata: { name: 'nodes.js.example.com' },
      spec: {
        group: 'js.example.com', scope: 'Namespaced',
        names: { plural: 'nodes', singular: 'node', kind: 'JsNode' },
        versions: [{
          name: 'v1', served: true, storage: true, subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', x_kubernetes_preserve_unknown_fields: true } },
        }],
      },
    },
  });
  const where = { group: 'js.example.com', version: 'v1', namespace, plural: 'nodes' };
  await eventually(async () => {
    const { status } = await extensions.readCustomResourceDefinition({ name: 'nodes.js.example.com' });
    return status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True');
  }, () => 'established');
  const body = { apiVersion: 'js.example.com/v1', kind: 'JsNode', metadata: { name: 'a' }, spec: { deep: [{ x: 1.5 }] } };
  assert.deepEqual((await custom.createNamespacedCustomObject({ ...where, body })).spec, body.spec);
  assert.equal((await custom.listNamespacedCustomObject(where)).items.length, 1);
  const status = await custom.patchNamespacedCustomObjectStatus(
    { ...where, name: 'a', body: { status: { ok: true }, spec: { ignored: true } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
  );
  assert.deepEqual([status.status, status.spec], [{ ok: true }, body.spec]);
  assert.equal((await custom.deleteNamespacedCustomObject({ ...where, name: 'a' })).status, 'Success');
  await extensions.deleteCustomResourceDefinition({ name: 'nodes.js.example.com' });
}

async function dynamicObjects() {
  const deployment = {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'dyn', namespace },
    spec: {
      replicas: 0, selector: { matchLabels: { app: 'dyn' } },
      template: { metadata: { labels: { app: 'dyn' } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
    },
  };
  await objects.create(deployment);
  const patched = await objects.patch(
    { ...deployment, spec: { replicas: 1 } }, undefined, undefined, 'me', true, k8s.PatchStrategy.ServerSideApply);
  assert.equal(patched.spec.replicas, 1);
  assert.equal((await objects.read(deployment)).spec.replicas, 1);
  assert.equal((await objects.list('apps/v1', 'Deployment', namespace)).items.length, 1);
  const scale = await apps.readNamespacedDeploymentScale({ name: 'dyn', namespace });
  assert.deepEqual([scale.kind, scale.spec.replicas, scale.status.selector], ['Scale', 1, 'app=dyn']);
  await objects.delete(deployment);
  assert.equal((await refused(objects.read(deployment))).reason, 'NotFound');
}

async function tokens() {
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'js' } } });
  const { status } = await core.createNamespacedServiceAccountToken({
    name: 'js', namespace, body: { spec: { audiences: [], expirationSeconds: 3600 } },
  });
  const cluster = config.getCurrentCluster();
  const byToken = new k8s.KubeConfig();
  byToken.loadFromClusterAndUser(cluster, { name: 'js', token: status.token });
  const review = await byToken.makeApiClient(k8s.AuthenticationV1Api).createSelfSubjectReview({ body: {} });
  assert.equal(review.status.userInfo.username, 'system:serviceaccount:default:js');
  const forbidden = await refused(byToken.makeApiClient(k8s.CoreV1Api).listNamespacedPod({ namespace }));
  assert.equal(forbidden.code, 403);
  const nobody = new k8s.KubeConfig();
  nobody.loadFromClusterAndUser(cluster, { name: 'nobody', token: 'nonsense' });
  const unauthorized = await refused(nobody.makeApiClient(k8s.CoreV1Api).listNamespacedPod({ namespace }));
  assert.equal(unauthorized.code, 401);
}

if (process.argv[2] === 'informer') {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const watched = k8s.makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace }));
  for (const verb of ['add', 'update', 'delete']) {
    watched.on(verb, (object) => console.log(`${verb} ${object.metadata.name}`));
  }
  // As its documentation has it: a broken watch is started again.
  watched.on('error', () => setTimeout(() => watched.start().catch(() => watched.emit?.('error')), 100));
  await watched.start();
} else {
  for (const check of [typedObjects, lists, watches, informers, customObjects, dynamicObjects, tokens]) {
    await check().catch((error) => {
      console.error(`${check.name}: ${error.stack}\n${error.body ?? ''}`);
      process.exit(1);
    });
  }
  console.log('ok');
  process.exit(0);
}
