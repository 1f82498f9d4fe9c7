"""Every failure the centre names, with the exit code its command ends with."""


class DataCentreError(Exception):
    """A failure that is told to the user in one line, without a traceback."""

    exit_code = 1


class ContractError(DataCentreError):
    """A contract, mapping, agreement or setting that can't be used as written."""

    exit_code = 2


class SourceUnavailable(DataCentreError):
    """Something outside (broker, disk, database) doesn't answer; trying again may help."""

    exit_code = 3


class RecordRejected(DataCentreError):
    """A record breaks a rule; it is kept in quarantine or in a reject report."""

    exit_code = 4


class CheckFailed(DataCentreError):
    """An increment or a reconciliation doesn't hold; nothing may be built on it."""

    exit_code = 5


class AccessDenied(DataCentreError):
    """No agreement, purpose or key allows this read."""

    exit_code = 6
