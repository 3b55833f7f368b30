"""Kamailio and rtpengine on this instance: RPC, dialogs, lists, registrations, certificate."""
