"""Talks to a Wharf broker with a Varlink client that is not Wharf's own. Its argument is the broker's socket."""

import os
import sys

import varlink

BROKER = "dev.wharf.Broker"


def refused(method, *args, **kwargs):
    """The error with which the broker refuses a call: its name and its parameters."""
    try:
        answer = method(*args, **kwargs)
    except varlink.VarlinkError as error:
        return error.error(), error.parameters()
    raise AssertionError(f"expected an error, got {answer}")


def introspection(client):
    info = client.get_interfaces()
    assert sorted(info) == [BROKER, "org.varlink.service"], info
    service = client.open("org.varlink.service")
    about = service.GetInfo()
    assert about["vendor"] == "Wharf", about
    assert sorted(about["interfaces"]) == sorted(info), about
    for name in info:
        description = service.GetInterfaceDescription(name)["description"]
        # The package's own parser.
        parsed = varlink.Interface(description)
        assert parsed.name == name, parsed.name
    assert refused(service.GetInterfaceDescription, "org.example.Unknown") == (
        "org.varlink.service.InterfaceNotFound",
        {"interface": "org.example.Unknown"},
    )
    service.close()


def looking(client):
    with client.open(BROKER) as broker:
        state = broker.GetState()
        assert state["sessions"] == [], state
        assert state["broker"]["uid"] == os.getuid(), state
        assert [user["uid"] for user in state["users"]] == [os.getuid()], state
        assert refused(broker.AllocateBuffers, "early", 4096, 1) == (f"{BROKER}.NotRegistered", {})


def holding(client):
    with client.open(BROKER) as broker, client.open(BROKER) as observer:
        me = broker.Register("python, not Rust")
        assert me == {"session": me["session"], "pid": os.getpid(), "uid": os.getuid()}, me
        assert refused(broker.Register, "again") == (
            f"{BROKER}.AlreadyRegistered",
            {"session": me["session"]},
        )
        # The client has no use for the descriptors, the kernel closes them.
        made = broker.AllocateBuffers("frames", 5000, 3)
        assert made["size_bytes"] >= 5000 and made["size_bytes"] % 4096 == 0, made
        state = observer.GetState()
        [session] = state["sessions"]
        assert session["label"] == "python, not Rust", session
        assert session["sets_owned"] == [made["set"]], session
        [buffers] = state["sets"]
        assert (buffers["name"], buffers["count"], buffers["sealed"]) == ("frames", 3, False), buffers
        assert "stream" not in buffers or buffers["stream"] is None, buffers
        token = broker.IssueToken("set", made["set"], 1)["token"]
        assert len(token) == 32, token
        assert broker.FreeBuffers(made["set"]) == {}
        assert observer.GetState()["sets"] == []


def errors(client):
    with client.open(BROKER) as broker:
        broker.Register("wrong in every way")
        name, parameters = refused(broker.AllocateBuffers, "none", 4096, 0)
        assert (name, parameters["field"]) == (f"{BROKER}.InvalidArgument", "count"), (name, parameters)
        name, parameters = refused(broker.AllocateBuffers, "much", 1 << 40, 64)
        assert name == f"{BROKER}.QuotaExceeded", name
        assert parameters == {
            "resource": "bytes",
            "limit": 4 << 30,
            "used": 0,
            "requested": 64 << 40,
            "uid": os.getuid(),
        }, parameters
        assert refused(broker.FreeBuffers, 77) == (f"{BROKER}.NoSuchSet", {"id": 77})
        assert refused(broker.ImportBuffers, "0" * 32) == (f"{BROKER}.TokenUnknown", {})
        # A stream needs a descriptor, which this client cannot send.
        made = broker.AllocateBuffers("frames", 4096, 2)
        name, parameters = refused(broker.CreateStream, made["set"], "preview", 1)
        assert name == f"{BROKER}.BadPage", name


def unknown_method(client):
    with client.open(BROKER) as broker:
        broker._send_message(b'{"method": "dev.wharf.Broker.Explode"}')
        assert refused(broker._next_varlink_message) == (
            "org.varlink.service.MethodNotFound",
            {"method": "dev.wharf.Broker.Explode"},
        )
        # The connection is as good as before.
        assert broker.GetState()["sessions"] == []


def oneway(client):
    with client.open(BROKER) as broker:
        broker.Register("quiet", _oneway=True)
        [session] = broker.GetState()["sessions"]
        assert session["label"] == "quiet", session


def main():
    with varlink.Client.new_with_address(f"unix:{sys.argv[1]}") as client:
        for check in (introspection, looking, holding, errors, unknown_method, oneway):
            check(client)
            wait_until_alone(client)
            print(f"{check.__name__}: agreed")


def wait_until_alone(client):
    """The broker learns of a closed connection soon, but not at once."""
    with client.open(BROKER) as broker:
        while broker.GetState()["sessions"]:
            pass


main()
