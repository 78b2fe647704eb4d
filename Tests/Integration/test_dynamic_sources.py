"""Where resources come from: a bootstrap that Envoy takes is taken, one that Envoy refuses is refused, with file and line."""
import os
import subprocess

import pytest

from conftest import ENVOY

NODE = "node: {id: me, cluster: us}\n"
GRPC = "{api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: cp}}]}"
CLUSTERS = """\
static_resources:
  clusters:
  - name: cp
    type: STATIC
    load_assignment:
      cluster_name: cp
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]
"""
EDS = "{resource_api_version: V3, path_config_source: {path: FOLDER/eds.yaml}}"


def dynamic(text, node=NODE):
    return f"{node}{CLUSTERS}dynamic_resources:\n  {text}\n"


def ads(stream):
    return dynamic(f"{{cds_config: {{ads: {{}}, resource_api_version: V3}}, ads_config: {stream}}}")


TAKEN = {
    "ads": ads(GRPC),
    "delta": ads(GRPC.replace("GRPC,", "DELTA_GRPC,")),
    "stream of its own": dynamic(f"lds_config: {{resource_api_version: V3, api_config_source: {GRPC}}}"),
    "file": dynamic("cds_config: {resource_api_version: V3, path_config_source: {path: FOLDER/cds.yaml}}"),
    "eds": NODE + CLUSTERS + f"  - {{name: e, type: EDS, eds_cluster_config: {{eds_config: {EDS}}}}}\n",
    "settings of a stream": ads(GRPC.replace("api_type", "set_node_on_first_message_only: true, rate_limit_settings: {fill_rate: 2}, api_type")),
}

# name: (bootstrap, words of Envoy, words of Outrider)
REFUSED = {
    "no node": (dynamic(f"ads_config: {GRPC}", node=""), "node 'id' and 'cluster' are required", "node: 'id' and 'cluster' are required"),
    "no node for a file": (
        dynamic("cds_config: {resource_api_version: V3, path_config_source: {path: FOLDER/cds.yaml}}", node=""),
        "node 'id' and 'cluster' are required", "node: 'id' and 'cluster' are required"),
    "unknown cluster": (ads(GRPC.replace("cp}", "cq}")), "Unknown gRPC client cluster 'cq'", 'there is no static cluster "cq"; did you mean "cp"?'),
    "unknown cluster of a source": (
        dynamic(f"cds_config: {{resource_api_version: V3, api_config_source: {GRPC.replace('cp}', 'cq}')}}}"),
        "must have a statically defined non-EDS cluster: 'cq'", 'there is no static cluster "cq"; did you mean "cp"?'),
    "rest": (ads("{api_type: REST, transport_api_version: V3, cluster_names: [cp]}"), "must be of non-aggregated gRPC", "REST is an Envoy value"),
    "aggregated type": (ads(GRPC.replace("GRPC,", "AGGREGATED_GRPC,")), "must be of non-aggregated gRPC", "AGGREGATED_GRPC is an Envoy value"),
    "no service": (ads("{api_type: GRPC, transport_api_version: V3}"), "must have either a gRPC service or a cluster name", "needs exactly one service"),
    "several services": (
        ads(GRPC.replace("[{", "[{envoy_grpc: {cluster_name: cp}}, {envoy_grpc: {cluster_name: cp}}, {")),
        "must have no more than 1 gRPC services", "needs exactly one service, found 3"),
    "cluster names": (ads(GRPC.replace("api_type", "cluster_names: [cp], api_type")), "must not have a cluster name specified", "cluster_names: is for REST"),
    "no source": (dynamic("cds_config: {resource_api_version: V3}"), "", "one of api_config_source, ads, path_config_source is required"),
    "no rate": (ads(GRPC.replace("api_type", "rate_limit_settings: {fill_rate: 0}, api_type")), "", "fill_rate: must be greater than 0"),
    "eds of another type": (
        NODE + CLUSTERS + f"  - {{name: e, type: STATIC, eds_cluster_config: {{eds_config: {EDS}}}}}\n",
        "eds_cluster_config set in a non-EDS cluster", "eds_cluster_config: is set in a cluster that is not of type EDS"),
    "eds without a source": (NODE + CLUSTERS + "  - {name: e, type: EDS}\n", "", "eds_cluster_config: is required"),
}


def validate(binary, tmp_path, text):
    for name in ("cds.yaml", "eds.yaml"):
        (tmp_path / name).write_text("resources: []\n")
    path = tmp_path / "bootstrap.yaml"
    path.write_text(text.replace("FOLDER", str(tmp_path)))
    run = subprocess.run([binary, "--mode", "validate", "-c", path], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("name", TAKEN)
def test_taken(tmp_path, name):
    for binary in (os.environ["OUTRIDER"], ENVOY):
        code, output = validate(binary, tmp_path, TAKEN[name])
        assert code == 0, (binary, output)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    text, of_envoy, own = REFUSED[name]
    code, output = validate(ENVOY, tmp_path, text)
    assert code == 1 and of_envoy in output, output
    code, output = validate(os.environ["OUTRIDER"], tmp_path, text)
    assert code == 1 and own in output, output
