/** Faults of a connection: a proxy before a real server that speaks whatever it speaks. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `refuse`: nobody listens. `cut`: reset as soon as it is open. */
export type TcpFault =
  | 'refuse'
  | 'cut'
  /** What the client sent is passed on until it holds this text; the connection is reset instead of an answer. */
  | { cutAnswerTo: string }
  /** Every piece of an answer is this late. */
  | { slowMs: number };

export interface TcpProxy {
  port: number;
  /** Holds for connections that are opened from now on. */
  setFault(fault: TcpFault | undefined): Promise<void>;
  /** Connections that were opened so far. */
  opened(): number;
  /** Ends every open connection. */
  cutAll(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let fault: TcpFault | undefined;
  let opened = 0;
  const accept = (client: Socket) => {
    opened += 1;
    track(client, sockets);
    if (fault === 'cut') client.resetAndDestroy();
    else join(client, track(connect(targetPort, '127.0.0.1'), sockets), fault);
  };
  let server = await listen(accept, 0);
  const { port } = server.address() as AddressInfo;
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    opened: () => opened,
    cutAll,
    async setFault(next) {
      if (next === 'refuse' && server.listening) await end(server, cutAll);
      if (next !== 'refuse' && !server.listening) server = await listen(accept, port);
      fault = next;
    },
    async close() {
      if (server.listening) await end(server, cutAll);
    },
  };
}

function track(socket: Socket, all: Set<Socket>): Socket {
  all.add(socket);
  // Either side may end at any time: that is what this is for.
  socket.on('error', () => {});
  socket.once('close', () => all.delete(socket));
  return socket;
}

function join(client: Socket, server: Socket, fault: TcpFault | undefined): void {
  const cutAnswerTo = typeof fault === 'object' && 'cutAnswerTo' in fault ? fault.cutAnswerTo : undefined;
  const slowMs = typeof fault === 'object' && 'slowMs' in fault ? fault.slowMs : 0;
  let asked = '';
  client.on('data', (chunk) => {
    asked += chunk.toString('latin1');
    server.write(chunk);
  });
  server.on('data', (chunk) => {
    if (cutAnswerTo !== undefined && asked.includes(cutAnswerTo)) {
      client.resetAndDestroy();
      server.destroy();
    } else if (slowMs > 0) {
      setTimeout(() => client.writable && client.write(chunk), slowMs);
    } else {
      client.write(chunk);
    }
  });
  client.once('close', () => server.destroy());
  server.once('close', () => setTimeout(() => client.end(), slowMs));
}

async function listen(accept: (socket: Socket) => void, port: number): Promise<Server> {
  const server = createServer(accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

async function end(server: Server, cutAll: () => void): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  cutAll();
  await closed;
}
