"""Settings of the channels are refused when they are read, by the variable's name and never by their value."""

import pytest

from datacentre.channel_urls import mail_route
from datacentre.errors import ContractError
from datacentre.settings import from_environment


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.bt/hush",
        "ftp://hooks.example.bt/hush",
        "https:///hush",
        "https://hooks.example.bt:hush/",
        "https://hooks.example.bt:99999/hush",
        "https://hooks.example.bt:0/hush",
        "https://user:hush@hooks.example.bt/",
        "https://hooks.example.bt/hush hush",
        "https://hooks.example.bt/hush\n",
        "https://[hush/",
    ],
)
def test_a_webhook_that_cannot_be_posted_to(url: str) -> None:
    with pytest.raises(ContractError, match="DATACENTRE_ALERT_WEBHOOK must be ") as refused:
        from_environment({"DATACENTRE_ALERT_WEBHOOK": url})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://u:hush@mail.example.bt?from=a@b.bt&to=c@d.bt",
        "smtp://u:hush@?from=a@b.bt&to=c@d.bt",
        "smtp://u:hush@mail.example.bt:mail?from=a@b.bt&to=c@d.bt",
        "smtp://u:hush@mail.example.bt?from=a@b.bt",
        "smtp://u:hush@mail.example.bt?to=c@d.bt",
        "smtp://u:hush@mail.example.bt?from=a@b.bt&to=hush",
        "smtp://u:hush@mail.example.bt?from=a@b.bt%0ABcc:hush@d.bt&to=c@d.bt",
        "smtp://u:hush@mail.example.bt?from=a@b.bt&from=hush@b.bt&to=c@d.bt",
    ],
)
def test_a_mail_server_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ContractError, match="DATACENTRE_ALERT_SMTP must be ") as refused:
        from_environment({"DATACENTRE_ALERT_SMTP": url})
    assert "hush" not in str(refused.value)


def test_what_can_be_used_is_kept_and_read() -> None:
    mail = "smtps://u%40b:p%3Ass@mail.example.bt?from=a@b.bt&to=c@d.bt&to=e@f.bt"
    settings = from_environment(
        {"DATACENTRE_ALERT_WEBHOOK": "https://hooks.example.bt:8443/T0/secret?a=b", "DATACENTRE_ALERT_SMTP": mail}
    )
    assert settings.alert_webhook == "https://hooks.example.bt:8443/T0/secret?a=b"
    route = mail_route(settings.alert_smtp)
    assert (route.host, route.port, route.user, route.password) == ("mail.example.bt", 465, "u@b", "p:ss")
    assert (route.sender, route.recipients) == ("a@b.bt", ("c@d.bt", "e@f.bt"))
    assert "p:ss" not in repr(route)
    assert mail_route("smtp://mail?from=a@b.bt&to=c@d.bt").port == 25
