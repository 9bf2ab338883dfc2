# The application is named here, and not on the command line, which Keystone
# takes for its own.
wsgi_app = '${module}:application'
bind = '127.0.0.1:${port}'
control_socket_disable = True
graceful_timeout = 5
# Longer than the clients of the services keep theirs.
keepalive = 75
threads = 8
timeout = 300
worker_class = 'gthread'
workers = 1
