# Reads notices named on the command line with Python's email package and prints what it finds as JSON, one object a line.
import email
import email.policy
import json
import sys

for path in sys.argv[1:]:
    with open(path, "rb") as f:
        m = email.message_from_binary_file(f, policy=email.policy.default)
    parts = list(m.iter_parts())
    status = parts[1].get_payload()
    third = parts[2] if len(parts) > 2 else None
    print(json.dumps({
        "type": m.get_content_type(),
        "report": m.get_param("report-type"),
        "subject": str(m["Subject"]),
        "to": str(m["To"]),
        "types": [p.get_content_type() for p in parts],
        "defects": [repr(d) for p in m.walk() for d in p.defects],
        "text": parts[0].get_content(),
        "mta": str(status[0]["Reporting-MTA"]),
        "recipients": [[str(r["Final-Recipient"]), str(r["Action"]), str(r["Status"])] for r in status[1:]],
        "returned": str(third.get_payload(0)["Message-ID"]) if third and third.get_content_type() == "message/rfc822" else "",
    }))
