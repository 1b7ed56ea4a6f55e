"""One conversation with an SMTP server, which blocks; the only file that imports smtplib."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage

from alerts.channel import TransportError
from alerts.channels.email_errors import AGAIN, Stage, nobody_took_it, redacted, refusal
from alerts.channels.email_letter import flat
from alerts.channels.email_settings import EmailSettings
from alerts.channels.smtp_server import SmtpServer, Tls

_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class SmtpSession:
    """One connection for one message, or for none. Only `hang_up` may be called from another thread."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._server = settings.server
        # Without a host it does not connect, and with a name it does not ask a name server for one.
        self._smtp = smtplib.SMTP(local_hostname="localhost", timeout=settings.timeout)
        self._stage = Stage.CONNECTING
        self._socket: socket.socket | None = None
        self._over = False

    def send(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Deliver `message`; the recipients that were refused, where others were not. Raises TransportError."""
        to = [box.address for box in self._settings.to]
        try:
            self._open()
            self._stage = Stage.CONTENT
            return self._smtp.sendmail(self._settings.sender.address, to, message.as_bytes())
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._in_our_words(error) from None
        finally:
            self._close()

    def verify(self) -> str:
        """Go as far as a message would without one; how it went, in words. Raises TransportError."""
        try:
            self._open()
            self._stage = Stage.ASKING
            code, said = self._smtp.noop()
            if code != 250:
                raise smtplib.SMTPResponseException(code, said)
            tls = "by TLS" if isinstance(self._smtp.sock, ssl.SSLSocket) else "without TLS"
            login = " and takes the login" if self._server.user is not None else ""
            return f"{self._server} answers {tls}{login}; whether it delivers shows with the first message"
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._in_our_words(error) from None
        finally:
            self._close()

    def hang_up(self) -> None:
        """End the conversation wherever it is: what waits for the server stops waiting."""
        self._over = True
        if self._socket is not None:
            # The plain socket's own shutdown: that of TLS would take its state away from under the other thread.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _open(self) -> None:
        smtp, server = self._smtp, self._server
        smtp.sock = self._hold(socket.create_connection((server.host, server.port), self._settings.timeout))
        if server.tls is Tls.AT_ONCE:
            self._encrypt(smtp.sock)
        self._stage = Stage.GREETING
        code, said = smtp.getreply()
        if code != 220:
            raise smtplib.SMTPResponseException(code, said)
        smtp.local_hostname = _own_name(smtp.sock)
        smtp.ehlo_or_helo_if_needed()
        if server.tls in (Tls.REQUIRED, Tls.OFFERED):
            self._starttls()
        if server.user is not None and server.password is not None:
            self._stage = Stage.LOGIN
            smtp.login(server.user, server.password)

    def _starttls(self) -> None:
        smtp = self._smtp
        self._stage = Stage.ENCRYPTING
        if not smtp.has_extn("starttls"):
            if self._server.tls is Tls.OFFERED:
                return
            raise TransportError(
                f"{self._server} offers no STARTTLS, without which nothing is sent to it: use smtps:// or another port "
                "in the address that alerts.email.smtp points to",
                permanent=True,
            )
        code, said = smtp.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, said)
        assert smtp.sock is not None  # noqa: S101  # it has just answered
        self._encrypt(smtp.sock)
        # RFC 3207, section 4.2: what was said, and what was read ahead, before TLS is forgotten.
        smtp.file = smtp.helo_resp = smtp.ehlo_resp = None
        smtp.esmtp_features, smtp.does_esmtp = {}, False
        smtp.ehlo_or_helo_if_needed()

    def _encrypt(self, sock: socket.socket) -> None:
        self._stage = Stage.ENCRYPTING
        context = self._settings.context or ssl.create_default_context()
        wrapped = context.wrap_socket(sock, server_hostname=self._server.host, do_handshake_on_connect=False)
        self._smtp.sock = self._hold(wrapped)
        wrapped.do_handshake()

    def _hold(self, sock: socket.socket) -> socket.socket:
        self._socket = sock
        if self._over:  # it was given up while there was nothing yet to hang up
            sock.close()
        return sock

    def _close(self) -> None:
        # The answer to QUIT is not waited for: what the message became is known.
        if self._smtp.sock is not None:
            with suppress(smtplib.SMTPException, OSError, ValueError):
                self._smtp.putcmd("quit")
        with suppress(OSError):
            self._smtp.close()

    def _in_our_words(self, error: Exception) -> TransportError:
        server, stage = self._server, self._stage
        if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
            error = error.__context__  # the library calls a time-out a connection that was closed
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            return nobody_took_it(server, error.recipients)
        if isinstance(error, smtplib.SMTPSenderRefused):
            return refusal(server, Stage.SENDER, error.smtp_code, error.smtp_error)
        if isinstance(error, smtplib.SMTPResponseException):
            return refusal(server, stage, error.smtp_code, error.smtp_error)
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return TransportError(f"{server} closed the connection while {stage.value}{AGAIN}", permanent=False)
        if isinstance(error, smtplib.SMTPException):
            return TransportError(
                f"{server} offers no login that is known here: it may want TLS first (smtps://, or ?starttls=require), "
                "or no user and password at all",
                permanent=True,
            )
        if isinstance(error, ssl.SSLError) and not isinstance(error, _CLOSED):
            return _of_tls(error, server)
        return _of_network(error, server, stage, self._settings.timeout)


def _of_tls(error: ssl.SSLError, server: SmtpServer) -> TransportError:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = flat(redacted(error.verify_message, server), 200)
        advice = "name the host as its certificate does, or let SSL_CERT_FILE name the authority that signed it"
        return TransportError(f"the certificate of {server} is not accepted ({why}): {advice}", permanent=True)
    reason = flat(error.reason or "no reason", 60)
    advice = "smtps:// is for a port that is encrypted at once (465), smtp:// for the others (587, 25)"
    return TransportError(f"no TLS with {server} ({reason}): {advice}", permanent=True)


def _of_network(error: Exception, server: SmtpServer, stage: Stage, timeout: float) -> TransportError:
    """The error where the network or the other side failed; the library's own text is not repeated."""
    if isinstance(error, TimeoutError):
        said = f"{server} did not answer within {timeout:g} s while {stage.value}"
    elif isinstance(error, socket.gaierror):
        said = f"the name {server.host} cannot be resolved"
    elif stage is Stage.CONNECTING and isinstance(error, OSError):
        said = f"{server} cannot be reached ({error.strerror or type(error).__name__})"
    else:
        said = f"the connection to {server} broke while {stage.value} ({type(error).__name__})"
    return TransportError(f"{said}{AGAIN}", permanent=False)


def _own_name(sock: socket.socket) -> str:
    """What to call this machine: its name where it has a domain, else its address (RFC 5321, section 4.1.4)."""
    name = socket.gethostname()
    if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name):
        return name
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
