# Reads notices named on the command line with Python's email package and prints what it finds as JSON, one object a line.
import email
import email.policy
import json
import quopri
import re
import sys


def decoded(part):
    """The messages in a part of a message type. Those of RFC 6533 are encoded, which the package does not look at."""
    if part["Content-Transfer-Encoding"] != "quoted-printable":
        return part.get_payload()
    raw = quopri.decodestring(part.get_payload(0).as_bytes())
    blocks = re.split(rb"\n\n", raw.replace(b"\r\n", b"\n")) if part.get_content_type().endswith("delivery-status") else [raw]
    return [email.message_from_bytes(b, policy=email.policy.SMTPUTF8) for b in blocks if b.strip()]


def text(value):
    """A field's value in one line."""
    return re.sub(r"\s+", " ", str(value)) if value is not None else ""


for path in sys.argv[1:]:
    with open(path, "rb") as f:
        m = email.message_from_binary_file(f, policy=email.policy.default)
    parts = list(m.iter_parts())
    status = decoded(parts[1])
    third = parts[2] if len(parts) > 2 else None
    whole = third and third.get_content_type() in ("message/rfc822", "message/global")
    print(json.dumps({
        "type": m.get_content_type(),
        "report": m.get_param("report-type"),
        "subject": str(m["Subject"]),
        "to": str(m["To"]),
        "types": [p.get_content_type() for p in parts],
        "defects": [repr(d) for p in m.walk() for d in p.defects],
        "text": parts[0].get_content(),
        "mta": str(status[0]["Reporting-MTA"]),
        "recipients": [[text(r[n]) for n in ("Final-Recipient", "Action", "Status", "Diagnostic-Code")] for r in status[1:]],
        "returned": str(decoded(third)[0]["Message-ID"]) if whole else "",
    }))
