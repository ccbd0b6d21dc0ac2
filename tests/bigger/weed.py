"""SeaweedFS on loopback, in a folder of its own."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

from machines import ROOT

ACCESS, SECRET = "bigger", "bigger-secret"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Weed:
    def __init__(self, folder):
        folder.mkdir()
        users = {"identities": [{"name": "anonymous", "actions": ["Admin"]}, {
            "name": "test", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
        (folder / "s3.json").write_text(json.dumps(users))
        self.port = free_port()
        program = os.path.join(os.environ.get("OWNKEY_SERVERS", ROOT / "target/servers"), "bin/weed")
        command = [program, "-logtostderr", "server", "-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                   "-master.telemetry=false", "-volume.max=400", "-master.volumeSizeLimitMB=256", "-filer", "-s3",
                   "-s3.config=s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.port={self.port}"]
        for listener in ["s3.port.grpc", "filer.port", "filer.port.grpc", "master.port", "master.port.grpc",
                         "volume.port", "volume.port.grpc"]:
            command.append(f"-{listener}={free_port()}")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        for _ in range(240):
            if self.put("/backup", b"") and self.put("/backup/ready", b"x"):
                break
            time.sleep(0.25)
        else:
            self.stop()
            sys.exit(f"SeaweedFS does not start: {folder}/log")
        self.repository = f"s3:http://127.0.0.1:{self.port}/backup/here"
        self.environment = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}

    def put(self, path, data):
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, method="PUT")
            return urllib.request.urlopen(request, timeout=5).status == 200
        except OSError as error:
            return getattr(error, "code", None) == 409

    def stop(self):
        self.process.kill()
        self.process.wait()
