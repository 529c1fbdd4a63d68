"""What mod_auth tells other modules of: clients turned away, for those that ban or count them."""

from __future__ import annotations

from ftpd.api import Event, Session

MAX_CLIENTS: Event[Session] = Event("mod_auth.max-clients")
MAX_CLIENTS_PER_CLASS: Event[Session] = Event("mod_auth.max-clients-per-class")
MAX_CLIENTS_PER_HOST: Event[Session] = Event("mod_auth.max-clients-per-host")
MAX_CLIENTS_PER_USER: Event[Session] = Event("mod_auth.max-clients-per-user")
MAX_CONNECTIONS_PER_HOST: Event[Session] = Event("mod_auth.max-connections-per-host")
MAX_HOSTS_PER_USER: Event[Session] = Event("mod_auth.max-hosts-per-user")
ANON_REJECT_PASSWORDS: Event[Session] = Event("mod_auth.anon-reject-passwords")
EMPTY_PASSWORD: Event[Session] = Event("mod_auth.empty-password")
ROOT_LOGIN: Event[Session] = Event("mod_auth.root-login")
