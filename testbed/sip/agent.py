"""A small SIP user agent for tests: it sees every header, and keeps what it saw."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from testbed.busy import Stopwatch

T1 = 0.5
_counter = itertools.count(1)
COMPACT = {
    "c": "content-type", "f": "from", "i": "call-id", "l": "content-length", "m": "contact",
    "t": "to", "v": "via",
}  # fmt: skip


@dataclass
class Message:
    """A parsed SIP message; header names are lower case, in order of appearance."""

    first: str
    headers: list[tuple[str, str]]
    body: str
    at: float = field(default_factory=time.monotonic)
    source: tuple[str, int] = ("", 0)

    @classmethod
    def parse(cls, data: bytes, source: tuple[str, int] = ("", 0)) -> Message:
        head, _, body = data.decode(errors="replace").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":") for line in lines if ":" in line)
        headers = [(k.strip().lower(), v.strip()) for k, _, v in pairs]
        return cls(first, [(COMPACT.get(k, k), v) for k, v in headers], body, source=source)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    def get(self, name: str) -> str:
        found = self.all(name)
        return found[0] if found else ""

    @property
    def is_reply(self) -> bool:
        return self.first.startswith("SIP/2.0")

    @property
    def status(self) -> int:
        return int(self.first.split()[1]) if self.is_reply else 0

    @property
    def method(self) -> str:
        return self.get("CSeq").split()[1] if self.is_reply else self.first.split()[0]

    @property
    def uri(self) -> str:
        return self.first.split()[1]

    @property
    def cseq(self) -> int:
        return int(self.get("CSeq").split()[0])

    @property
    def call_id(self) -> str:
        return self.get("Call-ID")

    @property
    def record_routes(self) -> list[str]:
        return [m for h in self.all("Record-Route") for m in re.findall(r"<[^>]*>[^,]*", h)]

    @property
    def contact(self) -> str:
        found = re.search(r"<([^>]+)>", self.get("Contact"))
        return found.group(1) if found else ""

    def tag(self, header: str) -> str:
        found = re.search(r";tag=([^;>\s]+)", self.get(header))
        return found.group(1) if found else ""


def sdp(address: str, port: int, direction: str = "sendrecv") -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na={direction}\r\n"
    )


class Agent:
    """Sends and receives over one UDP socket; received messages go to their call."""

    transport = "UDP"

    @property
    def contact(self) -> str:
        """URI at which this agent wants to be reached."""
        return f"sip:ua@{self.host}:{self.address[1]}{self.parameters}"

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.address: tuple[str, int] = sock.getsockname()
        self.host = self.address[0]  # what its Contact says
        self.parameters = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        self.calls: dict[str, Call] = {}
        self.received: list[Message] = []
        self.ring_s = 0.05
        self.answer = 200  # final status to a new INVITE; 0 rings on
        self.mute = False  # takes messages, answers none
        self.bye_delay_s = 0.0
        self.challenge: Callable[[Message], str] = lambda _: ""  # WWW-Authenticate, or "" accepts
        self._closed = False
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        self._thread.join(1)
        self.sock.close()

    def send(self, text: str, to: tuple[str, int]) -> None:
        self.sock.sendto(text.encode(), to)

    def _loop(self) -> None:
        self.sock.settimeout(0.1)
        while not self._closed:
            try:
                received = self._receive()
            except TimeoutError:
                continue
            except OSError:
                return
            for data, source in received:
                if len(data) < 20:
                    continue
                message = Message.parse(data, source)
                with self._lock:
                    self.received.append(message)
                    if not self.mute:
                        self._dispatch(message)

    def _receive(self) -> list[tuple[bytes, tuple[str, int]]]:
        return [self.sock.recvfrom(65535)]

    def _dispatch(self, message: Message) -> None:
        call = self.calls.get(message.call_id)
        if message.is_reply:
            if call:
                call.on_reply(message)
            return
        if message.method not in ("ACK", "CANCEL") and (wanted := self.challenge(message)):
            header = f"WWW-Authenticate: {wanted}"
            self.reply(message, 401, "Unauthorized", tag="challenge", header=header)
            return
        if call is None and message.method == "INVITE":
            call = Call(self, message.source, call_id=message.call_id)
            self.calls[message.call_id] = call
        if call:
            call.on_request(message)
        elif message.method != "ACK":
            self.reply(message, 481, "Call Does Not Exist")

    def reply(
        self, request: Message, status: int, reason: str, *, tag: str = "", body: str = "",
        header: str = "",
    ) -> None:  # fmt: skip
        lines = [f"SIP/2.0 {status} {reason}"]
        for name in ("via", "record-route"):
            lines += [f"{name.title()}: {value}" for value in request.all(name)]
        to = request.get("To")
        if tag and ";tag=" not in to:
            to += f";tag={tag}"
        lines += [
            f"From: {request.get('From')}", f"To: {to}", f"Call-ID: {request.call_id}",
            f"CSeq: {request.get('CSeq')}",
            f"Contact: <{self.contact}>",
        ]  # fmt: skip
        if header:
            lines.append(header)
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines) + "\r\n\r\n" + body, request.source)

    def seen(self, method: str, call_id: str | None = None) -> list[Message]:
        """Requests received, retransmissions included."""
        return [
            m for m in list(self.received)
            if not m.is_reply and m.method == method and call_id in (None, m.call_id)
        ]  # fmt: skip

    def call(self, to: tuple[str, int], user: str = "100", **options: str) -> Call:
        call = Call(self, to, user=user, **options)
        self.calls[call.call_id] = call
        return call


@dataclass
class Result:
    """End of a transaction as the client saw it; `status` 0 is silence."""

    status: int
    seconds: float
    provisional: list[int]
    retransmissions: int
    message: Message | None
    waited_s: float = 0.0  # for a processor, on a busy machine

    @property
    def own_s(self) -> float:
        """Seconds that it took by itself, for comparisons with a limit."""
        return self.seconds - self.waited_s


class Call:
    """One dialog, from either end."""

    def __init__(
        self, agent: Agent, peer: tuple[str, int], *, user: str = "100", call_id: str = "",
        domain: str = "", from_user: str = "caller", headers: str = "",
    ) -> None:  # fmt: skip
        self.agent = agent
        self.peer = peer  # where requests are sent
        self.call_id = call_id or f"{next(_counter)}-{random.getrandbits(48):x}"
        self.extra = headers
        self.local_tag = f"{random.getrandbits(32):x}"
        self.remote_tag = ""
        host = domain or peer[0]
        self.local = f"<sip:{from_user}@{agent.address[0]}>"
        self.remote = f"<sip:{user}@{host}>"
        self.target = f"sip:{user}@{host}:{peer[1]}" if not domain else f"sip:{user}@{domain}"
        if agent.transport != "UDP":
            self.target += f";transport={agent.transport.lower()}"
        self.routes: list[str] = []
        self.cseq = random.randrange(1, 1_000_000)  # a Call-ID may be used again
        self.contact = f"<{agent.contact}>"
        self.replies: list[Message] = []
        self.requests: list[Message] = []
        self.state = "new"
        self.acknowledged = (0, "")  # CSeq of the INVITE, body of the ACK
        self.status = 0  # final reply that this end gave as a callee
        self.invite_branch = ""
        self.incoming: Message | None = None
        self.invite_answer = ""
        self.with_sdp = True
        self._changed = threading.Condition()

    # --- client ---
    def build(self, method: str, cseq: int, branch: str, *, body: str = "", extra: str = "") -> str:
        address, port = self.agent.address
        to = self.remote + (f";tag={self.remote_tag}" if self.remote_tag else "")
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/{self.agent.transport} {address}:{port};branch={branch};rport",
            f"From: {self.local};tag={self.local_tag}", f"To: {to}", f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}", "Max-Forwards: 70", f"Contact: {self.contact}",
            *(f"Route: {route}" for route in self.routes),
        ]  # fmt: skip
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body.encode())}")
        return "\r\n".join(lines) + "\r\n" + self.extra + extra + "\r\n" + body

    def request(
        self, method: str, *, body: str = "", extra: str = "", timeout: float = 8,
        cancel_after: float | None = None,
    ) -> Result:  # fmt: skip
        """Send a request, retransmit as RFC 3261 says, wait for its final reply."""
        self.cseq += 1
        cseq, branch = self.cseq, f"z9hG4bK{random.getrandbits(60):x}"
        text = self.build(method, cseq, branch, body=body, extra=extra)
        if method == "INVITE":
            self.invite_branch = branch
        watch, first, tag = Stopwatch(), time.monotonic(), self.remote_tag
        self.agent.send(text, self.peer)
        interval, due, retransmissions, cancelled = T1, first + T1, 0, False
        while watch.before(first + timeout):
            with self._changed:
                own = [r for r in self.replies if r.cseq == cseq and r.method == method]
                provisional = [r.status for r in own if r.status < 200]
                final = next((r for r in own if r.status >= 200), None)
                if final is None:
                    self._changed.wait(0.05)  # a reply ends it
            if final is not None:
                self._finish(method, final, text, cseq, tag)
                return Result(
                    final.status, final.at - first, provisional, retransmissions, final,
                    watch.waited_s(),
                )  # fmt: skip
            now = time.monotonic()
            if cancel_after is not None and not cancelled and now > first + cancel_after:
                cancelled = True
                self.agent.send(self.build("CANCEL", cseq, branch), self.peer)
            if self.agent.transport == "UDP" and not provisional and now >= due:
                self.agent.send(text, self.peer)
                retransmissions += 1
                interval = min(2 * interval, 4)
                due = now + interval
        return Result(0, timeout, provisional, retransmissions, None)

    def _finish(self, method: str, final: Message, text: str, cseq: int, tag: str) -> None:
        if method != "INVITE":
            return
        if final.status < 300:
            if not self.remote_tag:
                self.remote_tag = final.tag("To")
                self.routes = list(reversed(final.record_routes))
            self.target = final.contact or self.target
        else:  # the ACK of a refusal belongs to the INVITE's transaction
            ack = re.sub(r"^INVITE", "ACK", text.split("\r\n\r\n")[0])
            ack = re.sub(r"CSeq: \d+ INVITE", f"CSeq: {cseq} ACK", ack)
            ack = re.sub(r"Content-(Type|Length):[^\r]*\r?\n?", "", ack).rstrip("\r\n")
            ack = re.sub(r"\r\nTo: [^\r]*", lambda _: f"\r\nTo: {final.get('To')}", ack)
            self.agent.send(ack + "\r\nContent-Length: 0\r\n\r\n", self.peer)

    def invite(self, **options: object) -> Result:
        options.setdefault("body", sdp(self.agent.address[0], 6000))
        result = self.request("INVITE", **options)  # type: ignore[arg-type]
        if 200 <= result.status < 300:
            self.state = "answered"
        return result

    def ack(self, *, body: str = "") -> None:
        """Of the last answer; when that comes again, it is acknowledged again."""
        self.acknowledged = self.cseq, body
        self._ack(*self.acknowledged)

    def _ack(self, cseq: int, body: str) -> None:
        text = self.build("ACK", cseq, f"z9hG4bK{random.getrandbits(60):x}", body=body)
        self.agent.send(text, self.peer)

    def bye(self, **options: object) -> Result:
        return self.request("BYE", **options)  # type: ignore[arg-type]

    def digest(self, challenge: Message, user: str, password: str, method: str = "INVITE") -> str:
        """Credentials header for a 401 or 407."""
        proxy = challenge.status == 407
        value = challenge.get("Proxy-Authenticate" if proxy else "WWW-Authenticate")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', value))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        ha1 = md5(f"{user}:{fields['realm']}:{password}")
        response = md5(f"{ha1}:{fields['nonce']}:{md5(f'{method}:{self.target}')}")
        name = "Proxy-Authorization" if proxy else "Authorization"
        return (
            f'{name}: Digest username="{user}", realm="{fields["realm"]}", '
            f'nonce="{fields["nonce"]}", uri="{self.target}", response="{response}", '
            "algorithm=MD5\r\n"
        )

    # --- both ---
    def on_reply(self, message: Message) -> None:
        with self._changed:
            self.replies.append(message)
            self._changed.notify_all()
        again = message.method == "INVITE" and message.cseq == self.acknowledged[0]
        if again and 200 <= message.status < 300:
            self._ack(*self.acknowledged)

    # --- server ---
    def on_request(self, message: Message) -> None:
        self.requests.append(message)
        known = [  # a refused call may come again, in a transaction of its own
            m for m in self.requests[:-1]
            if m.first == message.first and m.cseq == message.cseq
            and (self.status < 300 or m.get("Via") == message.get("Via"))
        ]  # fmt: skip
        if message.method == "INVITE":
            if known:
                return
            self._invited(message)
        elif message.method == "ACK":
            self.state = "confirmed"
        elif message.method == "CANCEL":
            self.agent.reply(message, 200, "OK")
            if self.incoming and self.state == "ringing":
                self.state, self.status = "cancelled", 487
                self.agent.reply(self.incoming, 487, "Request Terminated", tag=self.local_tag)
        elif message.method == "BYE":
            self.state = "ended"
            self._later(self.agent.bye_delay_s, lambda: self.agent.reply(message, 200, "OK"))
        else:
            self.agent.reply(message, 200, "OK")

    def _invited(self, message: Message) -> None:
        agent = self.agent
        if ";tag=" in message.get("To"):
            self._answer(message)
            return
        self.incoming = message
        self.peer = message.source
        self.local, self.remote = message.get("To"), re.sub(r";tag=.*", "", message.get("From"))
        self.remote_tag = message.tag("From")
        self.target, self.routes = message.contact, message.record_routes
        self.state = "ringing"
        agent.reply(message, 180, "Ringing", tag=self.local_tag)
        if agent.answer:
            self._later(agent.ring_s, lambda: self._final(message))

    def _final(self, message: Message) -> None:
        if self.state != "ringing":
            return
        if self.agent.answer >= 300:
            self.state, self.status = "refused", self.agent.answer
            self.agent.reply(message, self.agent.answer, "Refused", tag=self.local_tag)
        else:
            self.state, self.status = "answered", 200
            self._answer(message)

    def _answer(self, message: Message, wait: float = T1) -> None:
        """200, repeated until its ACK arrives."""
        if any(m.method == "ACK" and m.cseq == message.cseq for m in self.requests):
            return
        body = sdp(self.agent.address[0], 7000) if self.with_sdp else ""
        self.agent.reply(message, 200, "OK", tag=self.local_tag, body=body)
        if wait < 16 and self.state not in ("ended", "cancelled"):
            self._later(wait, lambda: self._answer(message, min(2 * wait, 4) if wait < 4 else 17))

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        if seconds <= 0:
            action()
            return

        def locked() -> None:
            with self.agent._lock:
                if not self.agent._closed:
                    action()

        timer = threading.Timer(seconds, locked)
        timer.daemon = True
        timer.start()


class Connection:
    """A TCP or TLS connection: whole messages come out; safe to use from several threads."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.peer: tuple[str, int] = sock.getpeername()
        self._buffer = b""
        self._lock = threading.Lock()  # OpenSSL wants one at a time
        self.closed = False

    def send(self, data: bytes) -> None:
        with self._lock:
            self.sock.sendall(data)

    def receive(self, wait: float) -> list[tuple[bytes, tuple[str, int]]]:
        """Messages that have come in; `OSError` once the other end has closed."""
        buffered = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not buffered and not select.select([self.sock], [], [], wait)[0]:
            return []
        with self._lock:
            self.sock.settimeout(0.05)
            try:
                data = self.sock.recv(65535)
            except (TimeoutError, ssl.SSLWantReadError):
                return []
            finally:
                self.sock.settimeout(5)
        if not data:
            self.closed = True
            raise OSError("closed")
        self._buffer += data
        return list(self._messages())

    def _messages(self) -> Iterator[tuple[bytes, tuple[str, int]]]:
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)\r\n(?:Content-Length|l)\s*:\s*(\d+)", head)
            length = int(found.group(1)) if found else 0
            if len(rest) < length:
                return
            yield head + b"\r\n\r\n" + rest[:length], self.peer
            self._buffer = rest[length:]


class TcpAgent(Agent):
    """An agent over one connection that it opened itself, as a PBX behind NAT does."""

    transport = "TCP"

    def __init__(self, sock: socket.socket) -> None:
        self.connection = Connection(sock)
        self.certificate = b""  # what the other end showed, DER
        self.version = ""  # of the protocol, while nobody reads: in a ticket there is none
        if isinstance(sock, ssl.SSLSocket):
            self.transport = "TLS"
            self.certificate = sock.getpeercert(binary_form=True) or b""
            self.version = sock.version() or ""
        super().__init__(sock)

    def send(self, text: str, to: tuple[str, int]) -> None:
        self.connection.send(text.encode())

    def _receive(self) -> list[tuple[bytes, tuple[str, int]]]:
        return self.connection.receive(0.1)


class Server(Agent):
    """An agent to which others connect, by TCP or, with `context`, by TLS; it also listens there
    while it calls. `failed` says why handshakes failed."""

    transport = "TCP"

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.connections: list[Connection] = []
        self.failed: list[str] = []
        self._context = context
        if context:
            self.transport = "TLS"
        sock.listen(16)
        super().__init__(sock)

    def send(self, text: str, to: tuple[str, int]) -> None:
        next(c for c in reversed(self.connections) if c.peer == to).send(text.encode())

    def close(self) -> None:
        super().close()
        for connection in self.connections:
            connection.sock.close()

    def _receive(self) -> list[tuple[bytes, tuple[str, int]]]:
        live = [c for c in self.connections if not c.closed]
        ready = select.select([self.sock, *(c.sock for c in live)], [], [], 0.05)[0]
        if self.sock in ready:
            self._accept()
        received = []
        for connection in live:
            try:
                received += connection.receive(0)
            except OSError:
                connection.closed = True
        return received

    def _accept(self) -> None:
        accepted, _ = self.sock.accept()
        accepted.settimeout(3)
        try:
            if self._context:
                accepted = self._context.wrap_socket(accepted, server_side=True)
            self.connections.append(Connection(accepted))
        except OSError as error:  # ssl.SSLError is one
            self.failed.append(str(error))
            accepted.close()
