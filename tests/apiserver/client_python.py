#!/usr/bin/python3
"""python3-kubernetes against the cluster of $KUBECONFIG: typed, custom and dynamic clients, watches, credentials."""
import base64
import json
import logging
import threading
import time

import kubernetes
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core = client.CoreV1Api()
NAMESPACE = "default"


def refused(call, *args, **kwargs):
    """The Status of a refused call."""
    try:
        call(*args, **kwargs)
    except ApiException as error:
        return error.status, json.loads(error.body)
    raise AssertionError("the call was expected to be refused")


def eventually(condition, what):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def typed_objects():
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="typed", labels={"app": "x"}), data={"k": "v"},
                              binary_data={"b": base64.b64encode(b"\xff\x00").decode()})
    created = core.create_namespaced_config_map(NAMESPACE, body)
    assert created.binary_data == body.binary_data
    status, failure = refused(core.create_namespaced_config_map, NAMESPACE, body)
    assert (status, failure["reason"]) == (409, "AlreadyExists"), failure
    created.data["k"] = "w"
    assert core.replace_namespaced_config_map("typed", NAMESPACE, created).data == {"k": "w"}
    status, failure = refused(core.replace_namespaced_config_map, "typed", NAMESPACE, created)
    assert (status, failure["reason"]) == (409, "Conflict"), failure
    patched = core.patch_namespaced_config_map("typed", NAMESPACE, {"data": {"k": None, "n": "1"}})
    assert patched.data == {"n": "1"}, patched.data
    patched = core.patch_namespaced_config_map("typed", NAMESPACE, [{"op": "remove", "path": "/data/n"}])
    assert not patched.data, patched.data
    assert core.delete_namespaced_config_map("typed", NAMESPACE).status == "Success"
    status, failure = refused(core.read_namespaced_config_map, "typed", NAMESPACE)
    assert (status, failure["message"]) == (404, 'configmaps "typed" not found'), failure


def every_list_is_understood():
    """The client checks what the API requires: a field that is missing raises ValueError. (Not events.k8s.io: it wants an
    eventTime, which upstream leaves out of most.)"""
    for api in (client.AppsV1Api(), client.BatchV1Api(), client.NetworkingV1Api(), client.RbacAuthorizationV1Api(),
                client.StorageV1Api(), client.PolicyV1Api(), client.SchedulingV1Api(), client.DiscoveryV1Api(),
                client.CoordinationV1Api(), client.NodeV1Api(), client.ApiregistrationV1Api(),
                client.ApiextensionsV1Api(), client.AdmissionregistrationV1Api(), client.CertificatesV1Api(),
                client.AutoscalingV1Api(), core):
        for name in dir(api):
            listed = name.startswith("list_") and not name.startswith("list_namespaced_")
            # Deprecated since 1.19: what it shows of etcd is not ours.
            if listed and not name.endswith("_with_http_info") and name != "list_component_status":
                getattr(api, name)()
    assert client.VersionApi().get_code().git_version.startswith("v1.35.")
    assert client.ApisApi().get_api_versions().groups
    assert core.get_api_resources().resources


def pages():
    for i in range(5):
        core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": f"page-{i}", "labels": {"page": "y"}}})
    names, token = [], None
    while True:
        page = core.list_namespaced_config_map(NAMESPACE, label_selector="page=y", limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"page-{i}" for i in range(5)], names
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="page=y")


def watches():
    start = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "watched"}})
    core.delete_namespaced_config_map("watched", NAMESPACE)
    events = watch.Watch().stream(core.list_namespaced_config_map, NAMESPACE, resource_version=start,
                                  timeout_seconds=1)
    seen = [(event["type"], event["object"].metadata.name) for event in events]
    assert seen == [("ADDED", "watched"), ("DELETED", "watched")], seen
    for i in range(600):
        core.patch_namespaced_config_map("kube-root-ca.crt", NAMESPACE, {"metadata": {"labels": {"n": str(i)}}})
    try:
        list(watch.Watch().stream(core.list_namespaced_config_map, NAMESPACE, resource_version=start,
                                  timeout_seconds=1))
        raise AssertionError("a watch of what is forgotten")
    except ApiException as error:
        assert error.status == 410, error
        assert "too old resource version" in error.reason, error


def custom_objects():
    extensions = client.ApiextensionsV1Api()
    extensions.create_custom_resource_definition({
        "metadata": {"name": "snakes.py.example.com"},
        "spec": {"group": "py.example.com", "scope": "Cluster", "names": {"plural": "snakes", "kind": "Snake"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                               "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                                   "spec": {"type": "object", "properties": {"length": {"type": "number"}}},
                                   "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]}})

    def established():
        conditions = extensions.read_custom_resource_definition("snakes.py.example.com").status.conditions or []
        return any(c.type == "Established" and c.status == "True" for c in conditions)
    eventually(established, "established")
    api = client.CustomObjectsApi()
    where = ("py.example.com", "v1", "snakes")
    body = {"apiVersion": "py.example.com/v1", "kind": "Snake", "metadata": {"name": "a"}, "spec": {"length": 1.25}}
    assert api.create_cluster_custom_object(*where, body)["spec"] == {"length": 1.25}
    api.patch_cluster_custom_object_status(*where, "a", {"status": {"fed": True}})
    assert api.get_cluster_custom_object(*where, "a")["status"] == {"fed": True}
    assert len(api.list_cluster_custom_object(*where)["items"]) == 1
    api.delete_cluster_custom_object(*where, "a")

    # The dynamic client finds kinds by discovery.
    found = dynamic.DynamicClient(client.ApiClient())
    snakes = found.resources.get(api_version="py.example.com/v1", kind="Snake")
    snakes.create(body=body)
    applied = snakes.patch(body={**body, "spec": {"length": 2}}, name="a", field_manager="me",
                           content_type="application/merge-patch+json")
    assert applied.spec.length == 2
    pods = found.resources.get(api_version="v1", kind="Pod")
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dynamic"},
                "spec": {"containers": [{"name": "c", "image": "x"}]}}
    pods.server_side_apply(namespace=NAMESPACE, body=json.dumps(manifest), name="dynamic", field_manager="me")
    assert pods.get(name="dynamic", namespace=NAMESPACE).status.phase == "Pending"
    pods.delete(name="dynamic", namespace=NAMESPACE)
    extensions.delete_custom_resource_definition("snakes.py.example.com")


def manifests():
    document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "made"},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "made"}},
                         "template": {"metadata": {"labels": {"app": "made"}},
                                      "spec": {"containers": [{"name": "c", "image": "x"}]}}}}
    utils.create_from_dict(client.ApiClient(), document)
    apps = client.AppsV1Api()
    scale = apps.read_namespaced_deployment_scale("made", NAMESPACE)
    scale.spec.replicas = 0
    scale.metadata.resource_version = None  # its controller writes, too
    # Zero is left out of a Scale.
    assert not apps.replace_namespaced_deployment_scale("made", NAMESPACE, scale).spec.replicas
    assert apps.read_namespaced_deployment("made", NAMESPACE).spec.replicas == 0
    apps.delete_namespaced_deployment("made", NAMESPACE, propagation_policy="Foreground")
    eventually(lambda: not apps.list_namespaced_deployment(NAMESPACE).items, "deleted")
    status, failure = refused(core.read_namespaced_pod_log, "none", NAMESPACE)
    assert (status, failure["message"]) == (404, 'pods "none" not found'), failure
    status, failure = refused(utils.create_from_dict.__globals__["client"].AppsV1Api().create_namespaced_deployment,
                              NAMESPACE, {**document, "spec": {}})
    assert (status, failure["reason"]) == (422, "Invalid"), failure
    assert "spec.selector" in {cause["field"] for cause in failure["details"]["causes"]}, failure


def credentials():
    core.create_namespaced_service_account(NAMESPACE, {"metadata": {"name": "py"}})
    token = core.create_namespaced_service_account_token(
        "py", NAMESPACE, client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[])))
    own = client.Configuration.get_default_copy()
    by_token = client.Configuration()
    by_token.host, by_token.ssl_ca_cert = own.host, own.ssl_ca_cert
    by_token.api_key = {"authorization": "Bearer " + token.status.token}
    with client.ApiClient(by_token) as api:
        status, failure = refused(client.CoreV1Api(api).list_namespaced_pod, NAMESPACE)
        assert (status, failure["reason"]) == (403, "Forbidden"), failure
        assert "system:serviceaccount:default:py" in failure["message"], failure
        allowed = client.AuthorizationV1Api(api).create_self_subject_access_review(
            {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": NAMESPACE}}})
        assert allowed.status.allowed is False
    review = client.AuthenticationV1Api().create_token_review({"spec": {"token": token.status.token}})
    assert review.status.authenticated and review.status.user.username == "system:serviceaccount:default:py"


def leader_election():
    """Its lock is a ConfigMap that many writers fight for."""
    from kubernetes.leaderelection import electionconfig, leaderelection
    from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
    # Its thread goes on to the end, and would log between our last words.
    logging.disable(logging.INFO)
    led = threading.Event()
    election = electionconfig.Config(ConfigMapLock("leader", NAMESPACE, "me"), lease_duration=3, renew_deadline=2,
                                     retry_period=1, onstarted_leading=led.set, onstopped_leading=None)
    threading.Thread(target=leaderelection.LeaderElection(election).run, daemon=True).start()
    assert led.wait(10), "nobody leads"


if __name__ == "__main__":
    for check in (typed_objects, every_list_is_understood, pages, watches, custom_objects, manifests, credentials,
                  leader_election):
        check()
    print("ok")
