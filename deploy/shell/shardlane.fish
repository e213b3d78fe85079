# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_shardlane_global_optspecs
    string join \n h/help V/version
end

function __fish_shardlane_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_shardlane_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_shardlane_using_subcommand
    set -l cmd (__fish_shardlane_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c shardlane -n "__fish_shardlane_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c shardlane -n "__fish_shardlane_needs_command" -s V -l version -d 'Print version'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "run" -d 'Serve an application'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "doctor" -d 'Check whether `run` would work well here, and say what to correct if not; serves no client'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "check" -d 'Print every fault, or else every setting and where it comes from; uses no network'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "explain" -d 'Show where a row, or a statement, goes: key, token, tablet or ring, nodes and shards'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "wait" -d 'Wait until a shardlane that runs here serves clients: for the entrypoint of an application'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "shutdown" -d 'Stop a shardlane that runs here, as SIGTERM does, without its delays'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "reload" -d 'Have a shardlane that runs here read its settings again, as SIGHUP does'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "inject" -d 'Add shardlane to the pods of Kubernetes manifests; the rest of the text stays as it is'
complete -c shardlane -n "__fish_shardlane_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l config -d 'Configuration file, TOML' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -s c -l contact-points -d 'Nodes that are asked first for the cluster\'s members, separated by commas' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l port -d 'CQL port of the nodes [default: 9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l bind -d 'Where clients connect; several places are separated by commas [default: 127.0.0.1:9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l bind-mode -d 'Permissions of the file of a Unix socket [default: 0660]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l data-center -d 'Data center whose nodes get the requests; if unset, that of the first node that answers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l rack -d 'Rack whose nodes are preferred among the replicas of a row' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l translate -d 'Where nodes are dialled instead of at the addresses that they report' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l client-routes -d 'Connection ids of private endpoints, whose rows of system.client_routes say where nodes are dialled' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l username -d 'The proxy\'s own role, for a cluster that asks for credentials' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l password-file -d 'File that holds the password of that role, and nothing else' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l admin -d 'Where metrics and probes are served [default: 127.0.0.1:9380]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l min-sigterm-delay -d 'Time after SIGTERM in which clients are served as before, new ones included [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l max-sigterm-delay -d 'Time after SIGTERM in which clients are served as before while any is connected [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l workers -d 'Worker threads [default: 1]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l auth-mode -d 'Whose rights clients have: their own (pass-through) or the proxy\'s (service); if unset, the proxy\'s if it has a role' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l tls-ca -d 'CAs that sign the nodes\' certificates; with it, connections to the nodes use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l tls-cert -d 'The proxy\'s certificate, for nodes that ask for one' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l tls-server-name -d 'Name that all nodes\' certificates bear, if not their address' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l tls-verify-name -d 'Whether the nodes\' certificates must bear that name [default: true]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l bind-tls-cert -d 'The proxy\'s certificate for clients; with it, clients over TCP have to use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l bind-tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l bind-tls-client-ca -d 'CAs of clients; with it, a client has to show a certificate of one of them' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l compression-clients -d 'Compression that clients are offered: lz4, snappy or both' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l state-file -d 'File in which what was learned is kept over a restart; if unset, nothing is kept' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l upgrade-socket -d 'Unix socket at which a new process takes the place of this one; if unset, none does' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -l exit-zero-on-sigterm
complete -c shardlane -n "__fish_shardlane_using_subcommand run" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l config -d 'Configuration file, TOML' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -s c -l contact-points -d 'Nodes that are asked first for the cluster\'s members, separated by commas' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l port -d 'CQL port of the nodes [default: 9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l bind -d 'Where clients connect; several places are separated by commas [default: 127.0.0.1:9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l bind-mode -d 'Permissions of the file of a Unix socket [default: 0660]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l data-center -d 'Data center whose nodes get the requests; if unset, that of the first node that answers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l rack -d 'Rack whose nodes are preferred among the replicas of a row' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l translate -d 'Where nodes are dialled instead of at the addresses that they report' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l client-routes -d 'Connection ids of private endpoints, whose rows of system.client_routes say where nodes are dialled' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l username -d 'The proxy\'s own role, for a cluster that asks for credentials' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l password-file -d 'File that holds the password of that role, and nothing else' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l admin -d 'Where metrics and probes are served [default: 127.0.0.1:9380]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l min-sigterm-delay -d 'Time after SIGTERM in which clients are served as before, new ones included [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l max-sigterm-delay -d 'Time after SIGTERM in which clients are served as before while any is connected [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l workers -d 'Worker threads [default: 1]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l auth-mode -d 'Whose rights clients have: their own (pass-through) or the proxy\'s (service); if unset, the proxy\'s if it has a role' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l tls-ca -d 'CAs that sign the nodes\' certificates; with it, connections to the nodes use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l tls-cert -d 'The proxy\'s certificate, for nodes that ask for one' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l tls-server-name -d 'Name that all nodes\' certificates bear, if not their address' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l tls-verify-name -d 'Whether the nodes\' certificates must bear that name [default: true]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l bind-tls-cert -d 'The proxy\'s certificate for clients; with it, clients over TCP have to use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l bind-tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l bind-tls-client-ca -d 'CAs of clients; with it, a client has to show a certificate of one of them' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l compression-clients -d 'Compression that clients are offered: lz4, snappy or both' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l state-file -d 'File in which what was learned is kept over a restart; if unset, nothing is kept' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l upgrade-socket -d 'Unix socket at which a new process takes the place of this one; if unset, none does' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l json -d 'Print the findings as one line of JSON'
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -l exit-zero-on-sigterm
complete -c shardlane -n "__fish_shardlane_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l config -d 'Configuration file, TOML' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -s c -l contact-points -d 'Nodes that are asked first for the cluster\'s members, separated by commas' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l port -d 'CQL port of the nodes [default: 9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l bind -d 'Where clients connect; several places are separated by commas [default: 127.0.0.1:9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l bind-mode -d 'Permissions of the file of a Unix socket [default: 0660]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l data-center -d 'Data center whose nodes get the requests; if unset, that of the first node that answers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l rack -d 'Rack whose nodes are preferred among the replicas of a row' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l translate -d 'Where nodes are dialled instead of at the addresses that they report' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l client-routes -d 'Connection ids of private endpoints, whose rows of system.client_routes say where nodes are dialled' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l username -d 'The proxy\'s own role, for a cluster that asks for credentials' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l password-file -d 'File that holds the password of that role, and nothing else' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l admin -d 'Where metrics and probes are served [default: 127.0.0.1:9380]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l min-sigterm-delay -d 'Time after SIGTERM in which clients are served as before, new ones included [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l max-sigterm-delay -d 'Time after SIGTERM in which clients are served as before while any is connected [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l workers -d 'Worker threads [default: 1]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l auth-mode -d 'Whose rights clients have: their own (pass-through) or the proxy\'s (service); if unset, the proxy\'s if it has a role' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l tls-ca -d 'CAs that sign the nodes\' certificates; with it, connections to the nodes use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l tls-cert -d 'The proxy\'s certificate, for nodes that ask for one' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l tls-server-name -d 'Name that all nodes\' certificates bear, if not their address' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l tls-verify-name -d 'Whether the nodes\' certificates must bear that name [default: true]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l bind-tls-cert -d 'The proxy\'s certificate for clients; with it, clients over TCP have to use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l bind-tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l bind-tls-client-ca -d 'CAs of clients; with it, a client has to show a certificate of one of them' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l compression-clients -d 'Compression that clients are offered: lz4, snappy or both' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l state-file -d 'File in which what was learned is kept over a restart; if unset, nothing is kept' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l upgrade-socket -d 'Unix socket at which a new process takes the place of this one; if unset, none does' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -l exit-zero-on-sigterm
complete -c shardlane -n "__fish_shardlane_using_subcommand check" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l keyspace -d 'Keyspace of a table that is named without one, as the client\'s USE would set it' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l config -d 'Configuration file, TOML' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -s c -l contact-points -d 'Nodes that are asked first for the cluster\'s members, separated by commas' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l port -d 'CQL port of the nodes [default: 9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l bind -d 'Where clients connect; several places are separated by commas [default: 127.0.0.1:9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l bind-mode -d 'Permissions of the file of a Unix socket [default: 0660]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l data-center -d 'Data center whose nodes get the requests; if unset, that of the first node that answers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l rack -d 'Rack whose nodes are preferred among the replicas of a row' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l translate -d 'Where nodes are dialled instead of at the addresses that they report' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l client-routes -d 'Connection ids of private endpoints, whose rows of system.client_routes say where nodes are dialled' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l username -d 'The proxy\'s own role, for a cluster that asks for credentials' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l password-file -d 'File that holds the password of that role, and nothing else' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l admin -d 'Where metrics and probes are served [default: 127.0.0.1:9380]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l min-sigterm-delay -d 'Time after SIGTERM in which clients are served as before, new ones included [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l max-sigterm-delay -d 'Time after SIGTERM in which clients are served as before while any is connected [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l workers -d 'Worker threads [default: 1]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l auth-mode -d 'Whose rights clients have: their own (pass-through) or the proxy\'s (service); if unset, the proxy\'s if it has a role' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l tls-ca -d 'CAs that sign the nodes\' certificates; with it, connections to the nodes use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l tls-cert -d 'The proxy\'s certificate, for nodes that ask for one' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l tls-server-name -d 'Name that all nodes\' certificates bear, if not their address' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l tls-verify-name -d 'Whether the nodes\' certificates must bear that name [default: true]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l bind-tls-cert -d 'The proxy\'s certificate for clients; with it, clients over TCP have to use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l bind-tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l bind-tls-client-ca -d 'CAs of clients; with it, a client has to show a certificate of one of them' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l compression-clients -d 'Compression that clients are offered: lz4, snappy or both' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l state-file -d 'File in which what was learned is kept over a restart; if unset, nothing is kept' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l upgrade-socket -d 'Unix socket at which a new process takes the place of this one; if unset, none does' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l json -d 'Print what was found as one line of JSON'
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -l exit-zero-on-sigterm
complete -c shardlane -n "__fish_shardlane_using_subcommand explain" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l timeout -d 'How long to wait' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l config -d 'Configuration file, TOML' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -s c -l contact-points -d 'Nodes that are asked first for the cluster\'s members, separated by commas' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l port -d 'CQL port of the nodes [default: 9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l bind -d 'Where clients connect; several places are separated by commas [default: 127.0.0.1:9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l bind-mode -d 'Permissions of the file of a Unix socket [default: 0660]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l data-center -d 'Data center whose nodes get the requests; if unset, that of the first node that answers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l rack -d 'Rack whose nodes are preferred among the replicas of a row' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l translate -d 'Where nodes are dialled instead of at the addresses that they report' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l client-routes -d 'Connection ids of private endpoints, whose rows of system.client_routes say where nodes are dialled' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l username -d 'The proxy\'s own role, for a cluster that asks for credentials' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l password-file -d 'File that holds the password of that role, and nothing else' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l admin -d 'Where metrics and probes are served [default: 127.0.0.1:9380]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l min-sigterm-delay -d 'Time after SIGTERM in which clients are served as before, new ones included [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l max-sigterm-delay -d 'Time after SIGTERM in which clients are served as before while any is connected [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l workers -d 'Worker threads [default: 1]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l auth-mode -d 'Whose rights clients have: their own (pass-through) or the proxy\'s (service); if unset, the proxy\'s if it has a role' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l tls-ca -d 'CAs that sign the nodes\' certificates; with it, connections to the nodes use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l tls-cert -d 'The proxy\'s certificate, for nodes that ask for one' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l tls-server-name -d 'Name that all nodes\' certificates bear, if not their address' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l tls-verify-name -d 'Whether the nodes\' certificates must bear that name [default: true]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l bind-tls-cert -d 'The proxy\'s certificate for clients; with it, clients over TCP have to use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l bind-tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l bind-tls-client-ca -d 'CAs of clients; with it, a client has to show a certificate of one of them' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l compression-clients -d 'Compression that clients are offered: lz4, snappy or both' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l state-file -d 'File in which what was learned is kept over a restart; if unset, nothing is kept' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l upgrade-socket -d 'Unix socket at which a new process takes the place of this one; if unset, none does' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -l exit-zero-on-sigterm
complete -c shardlane -n "__fish_shardlane_using_subcommand wait" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l config -d 'Configuration file, TOML' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -s c -l contact-points -d 'Nodes that are asked first for the cluster\'s members, separated by commas' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l port -d 'CQL port of the nodes [default: 9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l bind -d 'Where clients connect; several places are separated by commas [default: 127.0.0.1:9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l bind-mode -d 'Permissions of the file of a Unix socket [default: 0660]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l data-center -d 'Data center whose nodes get the requests; if unset, that of the first node that answers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l rack -d 'Rack whose nodes are preferred among the replicas of a row' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l translate -d 'Where nodes are dialled instead of at the addresses that they report' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l client-routes -d 'Connection ids of private endpoints, whose rows of system.client_routes say where nodes are dialled' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l username -d 'The proxy\'s own role, for a cluster that asks for credentials' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l password-file -d 'File that holds the password of that role, and nothing else' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l admin -d 'Where metrics and probes are served [default: 127.0.0.1:9380]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l min-sigterm-delay -d 'Time after SIGTERM in which clients are served as before, new ones included [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l max-sigterm-delay -d 'Time after SIGTERM in which clients are served as before while any is connected [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l workers -d 'Worker threads [default: 1]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l auth-mode -d 'Whose rights clients have: their own (pass-through) or the proxy\'s (service); if unset, the proxy\'s if it has a role' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l tls-ca -d 'CAs that sign the nodes\' certificates; with it, connections to the nodes use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l tls-cert -d 'The proxy\'s certificate, for nodes that ask for one' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l tls-server-name -d 'Name that all nodes\' certificates bear, if not their address' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l tls-verify-name -d 'Whether the nodes\' certificates must bear that name [default: true]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l bind-tls-cert -d 'The proxy\'s certificate for clients; with it, clients over TCP have to use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l bind-tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l bind-tls-client-ca -d 'CAs of clients; with it, a client has to show a certificate of one of them' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l compression-clients -d 'Compression that clients are offered: lz4, snappy or both' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l state-file -d 'File in which what was learned is kept over a restart; if unset, nothing is kept' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l upgrade-socket -d 'Unix socket at which a new process takes the place of this one; if unset, none does' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -l exit-zero-on-sigterm
complete -c shardlane -n "__fish_shardlane_using_subcommand shutdown" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l config -d 'Configuration file, TOML' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -s c -l contact-points -d 'Nodes that are asked first for the cluster\'s members, separated by commas' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l port -d 'CQL port of the nodes [default: 9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l bind -d 'Where clients connect; several places are separated by commas [default: 127.0.0.1:9042]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l bind-mode -d 'Permissions of the file of a Unix socket [default: 0660]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l data-center -d 'Data center whose nodes get the requests; if unset, that of the first node that answers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l rack -d 'Rack whose nodes are preferred among the replicas of a row' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l translate -d 'Where nodes are dialled instead of at the addresses that they report' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l client-routes -d 'Connection ids of private endpoints, whose rows of system.client_routes say where nodes are dialled' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l username -d 'The proxy\'s own role, for a cluster that asks for credentials' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l password-file -d 'File that holds the password of that role, and nothing else' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l admin -d 'Where metrics and probes are served [default: 127.0.0.1:9380]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l min-sigterm-delay -d 'Time after SIGTERM in which clients are served as before, new ones included [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l max-sigterm-delay -d 'Time after SIGTERM in which clients are served as before while any is connected [default: 0]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l workers -d 'Worker threads [default: 1]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l auth-mode -d 'Whose rights clients have: their own (pass-through) or the proxy\'s (service); if unset, the proxy\'s if it has a role' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l tls-ca -d 'CAs that sign the nodes\' certificates; with it, connections to the nodes use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l tls-cert -d 'The proxy\'s certificate, for nodes that ask for one' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l tls-server-name -d 'Name that all nodes\' certificates bear, if not their address' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l tls-verify-name -d 'Whether the nodes\' certificates must bear that name [default: true]' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l bind-tls-cert -d 'The proxy\'s certificate for clients; with it, clients over TCP have to use TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l bind-tls-key -d 'Key of that certificate' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l bind-tls-client-ca -d 'CAs of clients; with it, a client has to show a certificate of one of them' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l compression-clients -d 'Compression that clients are offered: lz4, snappy or both' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l state-file -d 'File in which what was learned is kept over a restart; if unset, nothing is kept' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l upgrade-socket -d 'Unix socket at which a new process takes the place of this one; if unset, none does' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -l exit-zero-on-sigterm
complete -c shardlane -n "__fish_shardlane_using_subcommand reload" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -s f -l filename -d 'Manifests, YAML or JSON; - for stdin' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l bind -d 'Where the webhook listens' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l cert -d 'Certificate of the webhook, PEM; read again when it changes' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l key -d 'Private key of that certificate, PEM; read again when it changes' -r -F
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l mode -d 'native: an init container that stays, for Kubernetes 1.29 and newer; classic: an ordinary container' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l image -d 'Image of the sidecar' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l contact-points -d 'Nodes that are asked first for the cluster\'s members: a headless Service, or two or three nodes' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l port -d 'CQL port of the nodes: 9142 is usual with TLS' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l config-map -d 'ConfigMap with further settings under the key shardlane.toml' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l data-center -d 'Data center whose nodes are used' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l rack -d 'Rack whose nodes are preferred' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l username -d 'Role as which the sidecar logs in for the application; without, the application logs in itself' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l password-secret -d 'Secret with that role\'s password under the key password' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l tls-secret -d 'Secret with the CA of the nodes\' certificates under the key ca.crt; turns TLS on' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l contact-points-env -d 'Variables that are set to 127.0.0.1 in the application\'s containers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l port-env -d 'Variables that are set to 9042 in the application\'s containers' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l cpu-request -d 'CPU that is reserved for the sidecar' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l cpu-limit -d 'CPU that the sidecar may take at most, where a quota demands a limit: none by default, since its pauses are added to requests' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l memory-request -d 'Memory that is reserved for the sidecar' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l memory-limit -d 'Memory that the sidecar may take at most' -r
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l serve -d 'Serve the mutating admission webhook instead, over HTTPS at /inject: pods annotated shardlane.dev/inject: enabled get a sidecar'
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -l classic -d 'The same as --mode classic, for Kubernetes before 1.29'
complete -c shardlane -n "__fish_shardlane_using_subcommand inject" -s h -l help -d 'Print help'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "run" -d 'Serve an application'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "doctor" -d 'Check whether `run` would work well here, and say what to correct if not; serves no client'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "check" -d 'Print every fault, or else every setting and where it comes from; uses no network'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "explain" -d 'Show where a row, or a statement, goes: key, token, tablet or ring, nodes and shards'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "wait" -d 'Wait until a shardlane that runs here serves clients: for the entrypoint of an application'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "shutdown" -d 'Stop a shardlane that runs here, as SIGTERM does, without its delays'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "reload" -d 'Have a shardlane that runs here read its settings again, as SIGHUP does'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "inject" -d 'Add shardlane to the pods of Kubernetes manifests; the rest of the text stays as it is'
complete -c shardlane -n "__fish_shardlane_using_subcommand help; and not __fish_seen_subcommand_from run doctor check explain wait shutdown reload inject help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
