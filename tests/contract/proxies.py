"""nginx and HAProxy in front of an API, as people set them up: kept-alive connections to the API, shared by clients."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr crit; {user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_max_body_size 1m; large_client_header_buffers 4 64k;
    upstream api {{ server 127.0.0.1:{api}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_request_buffering {buffering};
        }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 512
    tune.bufsize 65536
defaults
    mode http
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 5s
    timeout server 15s
frontend front
    bind 127.0.0.1:{port}
    default_backend api
backend api
    server api 127.0.0.1:{api}
"""

KINDS = ("nginx", "nginx unbuffered", "haproxy")


def installed(kind: str) -> str | None:
    """The program's path; Debian has both where ordinary users do not look."""
    return shutil.which(kind.partition(" ")[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


@contextmanager
def proxy(kind: str, api_port: int, folder: Path) -> Iterator[int]:
    """A proxy of that kind as a process of the current user, ended afterwards; the port that it listens at."""
    program = installed(kind)
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # As root nginx would give up its rights, and could not write to its folders.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.getuid() == 0 else ""
    buffering = "off" if kind.endswith("unbuffered") else "on"
    configuration = folder / "configuration"
    text = HAPROXY if kind == "haproxy" else NGINX
    configuration.write_text(text.format(folder=folder, api=api_port, port=port, user=user, buffering=buffering))
    if kind == "haproxy":
        command = [program, "-db", "-q", "-f", str(configuration)]
    else:
        command = [program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_for(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Returns once something listens; there is no other sign of it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"{process.args}: {process.stderr.read().decode()}")
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise AssertionError("the proxy does not listen")
