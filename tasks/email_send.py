"""``email.send``: one message through the SMTP server of ``SMTP_URL``.

At least once: a retry after a lost reply sends the message again, under the same Message-ID, by which mail programs
recognise it.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from hashlib import sha256
from typing import Any

import aiosmtplib

from engine.registry import DEFAULT_MAX_ATTEMPTS, PermanentError, Task, TaskContext
from tasks.email_payload import EmailPayload, one_address
from tasks.smtp_server import SmtpServer

TIMEOUT_SECONDS = 120.0
REPLY_TIMEOUT_SECONDS = 30.0
REFUSED = "SMTP_REFUSED"


def email_task(smtp_url: str | None) -> Task:
    """The task ``email.send``.

    Raises:
        ConfigurationError: ``smtp_url`` cannot be used.
    """
    server = None if smtp_url is None else SmtpServer.parse(smtp_url)

    async def email_send(ctx: TaskContext, email: EmailPayload) -> dict[str, Any]:
        """Send an e-mail by SMTP_URL. Recipients whom the server refuses are named in the result, if others took it."""
        if server is None:
            raise PermanentError(
                "SMTP_URL is not set; give it as smtp://user:password@host:587/?starttls=true and start again.",
                code="NOT_CONFIGURED",
            )
        message = _message(email, ctx.job_id, server)
        refused = await _send(server, message, email)
        return {
            "message_id": message["Message-ID"],
            "accepted": [address for address in email.recipients() if address not in refused],
            "refused": refused,
        }

    return Task.declare("email.send", email_send, max_attempts=DEFAULT_MAX_ATTEMPTS, timeout_seconds=TIMEOUT_SECONDS)


def _message(email: EmailPayload, job_id: int, server: SmtpServer) -> EmailMessage:
    sender = email.from_ or server.default_sender
    if sender is None:
        raise PermanentError("from is missing, and the user of SMTP_URL is no address to take instead.")
    message = EmailMessage(policy=SMTP)
    message["From"] = one_address(sender)
    message["To"] = [one_address(text) for text in email.to]
    if email.cc:
        message["Cc"] = [one_address(text) for text in email.cc]
    if email.reply_to:
        message["Reply-To"] = [one_address(text) for text in email.reply_to]
    message["Subject"] = email.subject
    message["Date"] = formatdate()
    message["Message-ID"] = _message_id(email, job_id, one_address(sender).domain)
    for name, text in email.headers.items():
        message[name] = text
    if email.text is not None:
        message.set_content(email.text)
        if email.html is not None:
            message.add_alternative(email.html, subtype="html")
    else:
        message.set_content(email.html or "", subtype="html")
    return message


def _message_id(email: EmailPayload, job_id: int, domain: str) -> str:
    """The same on every attempt of a job. The digest keeps installations apart that number their jobs alike."""
    digest = sha256(f"{job_id}\n{email.model_dump_json()}".encode()).hexdigest()[:20]
    return f"<signalbox.{job_id}.{digest}@{domain.encode('idna').decode()}>"


async def _send(server: SmtpServer, message: EmailMessage, email: EmailPayload) -> dict[str, str]:
    """Hand the message over; who was refused, and why."""
    try:
        replies, _ = await aiosmtplib.send(
            message,
            recipients=email.recipients(),
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.use_tls,
            start_tls=server.start_tls,
            timeout=REPLY_TIMEOUT_SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        reasons = "; ".join(f"{each.recipient}: {each.code} {each.message}" for each in error.recipients)
        if all(_is_permanent(each.code) for each in error.recipients):
            raise PermanentError(f"{server.host} refused every recipient: {reasons}", code=REFUSED) from None
        raise
    except aiosmtplib.SMTPResponseException as error:
        if _is_permanent(error.code):
            raise PermanentError(f"{server.host} answered {error.code} {error.message}", code=REFUSED) from None
        raise
    except aiosmtplib.SMTPNotSupported as error:
        raise PermanentError(f"{server.host} lacks what is needed: {error}", code=REFUSED) from None
    return {address: f"{reply.code} {reply.message}" for address, reply in replies.items() if reply.code >= 400}


def _is_permanent(code: int) -> bool:
    """Replies of 500 to 599 will be the same next time (RFC 5321, 4.2.1)."""
    return 500 <= code < 600
