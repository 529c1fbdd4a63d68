"""mod_ifversion -- <IfVersion> sections: lines of the configuration that are read for some releases only."""

from ftpd.api import Module

# Lines are read or skipped where the file is read, before any directive: once a module of this name is loaded,
# the reader of the configuration knows the section, as it always knows <IfModule> and <IfDefine>.
module = Module("ifversion", version="1.0")
