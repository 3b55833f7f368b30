"""Kamailio and rtpengine of this instance: RPC, dialogs, lists, registrations, certificate."""
