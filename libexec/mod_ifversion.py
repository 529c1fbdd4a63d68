"""mod_ifversion -- <IfVersion> sections: lines of the configuration that are read for some releases only."""

from ftpd.api import ANON, DIRECTORY, FTPACCESS, GLOBAL, LIMIT, SERVER, VHOST, Module, types

# Lines are read or skipped where the file is read, before any directive: once a module of this name is loaded,
# the reader of the configuration knows the section, as it always knows <IfModule> and <IfDefine>.  So this is for
# the lists of what a module brings alone: while it is taken out, its sections are passed over.
module = Module("ifversion", version="1.0")
module.directive_list(
    "<IfVersion>", types.words, contexts=SERVER | GLOBAL | VHOST | ANON | DIRECTORY | LIMIT | FTPACCESS,
    usage="[[!]operator] version", doc="Read the lines to `</IfVersion>` where the version fits.",
)  # fmt: skip
